#!/usr/bin/env python3
"""Counts the well-formed problems in text that a model of the kinematics corpus generated.

    lockstep prepare --sample kinematics --problems 100000 --output data/large-sample
    lockstep generate --checkpoint runs/quickstart --length 60000 --temperature 0.5 > generated.txt
    docs/results/well_formed.py data/large-sample/train.txt generated.txt

A problem is two lines, a question and its answer. It is well-formed when, with every number replaced by N, it equals a
problem of the large sample treated in the same way: every word is spelled correctly, the question is one that the corpus
could ask, and the answer has the formula, the steps and the units that belong to it. It is consistent when, in addition,
the numbers of the question and the constants (9.8, say) stand where the formula needs them. Results are not checked.
The first and the last problem of the text may be cut off and are not counted.
"""
import re
import sys

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def problems(path):
    with open(path, encoding="utf-8") as file:
        return [block.strip("\n") for block in re.split(r"\n\n+", file.read())]


def forms(path):
    """For each form of a problem: the pairs of places that always hold equal numbers, and the constants by place."""
    seen = {}
    for problem in filter(None, problems(path)):
        numbers = NUMBER.findall(problem)
        form = NUMBER.sub("N", problem)
        pairs = {(i, j) for j in range(len(numbers)) for i in range(j) if numbers[i] == numbers[j]}
        constants = set(enumerate(numbers))
        if form in seen:
            seen[form][0].intersection_update(pairs)
            seen[form][1].intersection_update(constants)
        else:
            seen[form] = (pairs, constants)
    return seen


def main():
    known = forms(sys.argv[1])
    counted = well_formed = consistent = 0
    for problem in problems(sys.argv[2])[1:-1]:
        counted += 1
        form, numbers = NUMBER.sub("N", problem), NUMBER.findall(problem)
        if form not in known:
            continue
        well_formed += 1
        pairs, constants = known[form]
        consistent += all(numbers[i] == numbers[j] for i, j in pairs) and constants <= set(enumerate(numbers))
    print(f"{counted} problems, {well_formed} well-formed ({well_formed / max(counted, 1):.1%}), {consistent} consistent ({consistent / max(counted, 1):.1%})")


main()
