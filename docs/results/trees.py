#!/usr/bin/env python3
"""The texts of the Stanford Sentiment Treebank with their labels: trees.py TREES [--phrases] > TEXTS.tsv (standard library only).

TREES has a tree on each line, as in "(3 (2 It) (4 (2 's) (4 fine)))". Writes 0 (negative: labels 0 and 1) or 1 (positive: 3 and 4), a tab and the
words of each tree, or with --phrases of each distinct phrase of all trees. What is neutral (label 2) is left out.
"""
import sys


def phrases(line):
    """Every node of a tree as its label and words; the root comes last."""
    done, open_nodes, place = [], [], 0
    while place < len(line):
        if line[place] == "(":
            open_nodes.append((line[place + 1], []))
            place += 2
        elif line[place] == ")":
            label, words = open_nodes.pop()
            done.append((label, words))
            if open_nodes:
                open_nodes[-1][1].extend(words)
            place += 1
        elif line[place].isspace():
            place += 1
        else:
            end = place
            while line[end] not in "() ":
                end += 1
            open_nodes[-1][1].append(line[place:end])
            place = end
    return done


def main():
    every = "--phrases" in sys.argv[2:]
    seen = set()
    for line in open(sys.argv[1], encoding="utf-8"):
        nodes = phrases(line.strip())
        for label, words in nodes if every else nodes[-1:]:
            text = f"{int(label > '2')}\t{' '.join(words)}"
            if label != "2" and not (every and text in seen):
                seen.add(text)
                print(text)


main()
