/// The kinds of problems. Each gives "question\nAnswer: steps." where a step is `symbol = formula = numbers = result`,
/// the result being what the numbers give, rounded as printed, and steps are separated by "; ".
enum KinematicsTemplates {
    static let all: [@Sendable (inout Draw) -> String] = [
        distanceAtConstantSpeed, timeAtConstantSpeed, speedFromDistanceAndTime, distanceFromKilometresPerHour,
        averageSpeedOfTwoStages, speedFromRest, distanceFromRest, speedAfterAcceleration, accelerationFromSpeeds,
        distanceWhileAccelerating, speedAfterDistance, timeToStop, brakingDistance, stoppingDistanceWithReaction,
        fallingTime, fallingDistance, impactSpeed, depthOfWell, throwHeight, throwFlightTime, throwSpeedLater,
        throwFromBalcony, horizontalThrow, projectileRange, projectileHeight, meetingTime, overtakingTime, boatOnRiver,
        orbitSpeed, centripetalAcceleration, frequencyOfRotation,
    ]

    private static let gravity = 9.8

    private static let movers = [
        "car", "bus", "truck", "train", "cyclist", "runner", "motorcycle", "van", "tram", "scooter", "horse", "skater",
    ]
    private static let vehicles = [
        "car", "bus", "truck", "train", "motorcycle", "van", "tram", "taxi", "lorry", "racing car",
    ]
    private static let dropped = [
        "stone", "ball", "coin", "key", "hammer", "brick", "apple", "marble", "bolt", "flower pot",
    ]
    private static let thrown = ["ball", "stone", "arrow", "rocket", "marble", "tennis ball", "pebble", "coin"]
    private static let places = ["bridge", "tower", "cliff", "roof", "balcony", "crane", "balloon", "lighthouse"]

    private static func problem(_ question: String, _ steps: String...) -> String {
        "\(question.prefix(1).uppercased())\(question.dropFirst())\nAnswer: \(steps.joined(separator: "; "))."
    }

    /// "a car", "an apple"
    private static func an(_ noun: String) -> String { ("aeiou".contains(noun.first!) ? "an " : "a ") + noun }

    // MARK: Constant speed

    private static func distanceAtConstantSpeed(_ draw: inout Draw) -> String {
        let mover = draw.one(of: movers)
        let (v, t) = (draw.number(10...120), draw.number(50...900))
        let d = Decimal(rounding: v.value * t.value, places: 1)
        let question = draw.one(of: [
            "\(an(mover)) moves at a constant speed of \(v) m/s. How far does it get in \(t) s?",
            "\(an(mover)) keeps a steady speed of \(v) m/s for \(t) s. What distance does it cover?",
            "What distance does \(an(mover)) cover in \(t) s at a constant speed of \(v) m/s?",
        ])
        return problem(question, "d = v t = \(v) * \(t) = \(d) m")
    }

    private static func timeAtConstantSpeed(_ draw: inout Draw) -> String {
        let mover = draw.one(of: movers)
        let (d, v) = (draw.number(100...3000, places: 0), draw.number(10...120))
        let t = Decimal(rounding: d.value / v.value, places: 1)
        let question = draw.one(of: [
            "\(an(mover)) moves at a constant speed of \(v) m/s. How long does it need for \(d) m?",
            "How much time does \(an(mover)) take to cover \(d) m at a steady \(v) m/s?",
        ])
        return problem(question, "t = d / v = \(d) / \(v) = \(t) s")
    }

    private static func speedFromDistanceAndTime(_ draw: inout Draw) -> String {
        let mover = draw.one(of: movers)
        let (d, t) = (draw.number(50...1000, places: 0), draw.number(100...1500))
        let v = Decimal(rounding: d.value / t.value, places: 2)
        let question = draw.one(of: [
            "\(an(mover)) covers \(d) m in \(t) s. What is its average speed?",
            "It takes \(an(mover)) \(t) s to cover \(d) m. Find the average speed.",
        ])
        return problem(question, "v = d / t = \(d) / \(t) = \(v) m/s")
    }

    private static func distanceFromKilometresPerHour(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, t) = (draw.number(20...140, places: 0), draw.number(5...240, places: 0))
        let v = Decimal(rounding: u.value / 3.6, places: 2)
        let d = Decimal(rounding: v.value * t.value, places: 1)
        return problem(
            "\(an(vehicle)) drives at \(u) km/h. How many metres does it cover in \(t) s?",
            "v = u / 3.6 = \(u) / 3.6 = \(v) m/s", "d = v t = \(v) * \(t) = \(d) m")
    }

    private static func averageSpeedOfTwoStages(_ draw: inout Draw) -> String {
        let mover = draw.one(of: movers)
        let (d1, t1) = (draw.number(100...900, places: 0), draw.number(20...120, places: 0))
        let (d2, t2) = (draw.number(100...900, places: 0), draw.number(20...120, places: 0))
        let v = Decimal(rounding: (d1.value + d2.value) / (t1.value + t2.value), places: 2)
        return problem(
            "\(an(mover)) covers \(d1) m in \(t1) s and then \(d2) m in \(t2) s. What is the average speed of the whole trip?",
            "v = (d1 + d2) / (t1 + t2) = (\(d1) + \(d2)) / (\(t1) + \(t2)) = \(v) m/s")
    }

    // MARK: Constant acceleration

    private static func speedFromRest(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (a, t) = (draw.number(5...60), draw.number(10...150))
        let v = Decimal(rounding: a.value * t.value, places: 1)
        let question = draw.one(of: [
            "\(an(vehicle)) accelerates from rest at \(a) m/s^2 for \(t) s. What is its final velocity?",
            "Starting from rest, \(an(vehicle)) speeds up at \(a) m/s^2. How fast is it after \(t) s?",
        ])
        return problem(question, "v = a t = \(a) * \(t) = \(v) m/s")
    }

    private static func distanceFromRest(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (a, t) = (draw.number(5...60), draw.number(10...150))
        let d = Decimal(rounding: 0.5 * a.value * (t.value * t.value), places: 1)
        let question = draw.one(of: [
            "\(an(vehicle)) accelerates from rest at \(a) m/s^2. How far does it travel in \(t) s?",
            "How far does \(an(vehicle)) get in \(t) s if it starts from rest and accelerates at \(a) m/s^2?",
        ])
        return problem(question, "d = 0.5 a t^2 = 0.5 * \(a) * \(t)^2 = \(d) m")
    }

    private static func speedAfterAcceleration(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, a, t) = (draw.number(20...250), draw.number(5...40), draw.number(10...100))
        let v = Decimal(rounding: u.value + a.value * t.value, places: 1)
        return problem(
            "\(an(vehicle)) moving at \(u) m/s accelerates at \(a) m/s^2 for \(t) s. What is its velocity then?",
            "v = u + a t = \(u) + \(a) * \(t) = \(v) m/s")
    }

    private static func accelerationFromSpeeds(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, t) = (draw.number(10...150), draw.number(20...150))
        let v = Decimal(rounding: u.value + draw.number(20...200).value, places: 1)
        let a = Decimal(rounding: (v.value - u.value) / t.value, places: 2)
        return problem(
            "The velocity of \(an(vehicle)) rises from \(u) m/s to \(v) m/s in \(t) s. What is its acceleration?",
            "a = (v - u) / t = (\(v) - \(u)) / \(t) = \(a) m/s^2")
    }

    private static func distanceWhileAccelerating(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, a, t) = (draw.number(20...250), draw.number(5...40), draw.number(10...100))
        let d = Decimal(rounding: u.value * t.value + 0.5 * a.value * (t.value * t.value), places: 1)
        return problem(
            "\(an(vehicle)) moving at \(u) m/s accelerates at \(a) m/s^2 for \(t) s. How far does it travel in that time?",
            "d = u t + 0.5 a t^2 = \(u) * \(t) + 0.5 * \(a) * \(t)^2 = \(d) m")
    }

    private static func speedAfterDistance(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, a, d) = (draw.number(20...200), draw.number(5...40), draw.number(20...300, places: 0))
        let v = Decimal(rounding: (u.value * u.value + 2 * a.value * d.value).squareRoot(), places: 1)
        return problem(
            "\(an(vehicle)) moving at \(u) m/s accelerates at \(a) m/s^2 over \(d) m. What is its final velocity?",
            "v = sqrt(u^2 + 2 a d) = sqrt(\(u)^2 + 2 * \(a) * \(d)) = \(v) m/s")
    }

    // MARK: Braking

    private static func timeToStop(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, a) = (draw.number(50...350), draw.number(20...80))
        let t = Decimal(rounding: u.value / a.value, places: 1)
        return problem(
            "\(an(vehicle)) at \(u) m/s brakes with a deceleration of \(a) m/s^2. After what time does it stand still?",
            "t = u / a = \(u) / \(a) = \(t) s")
    }

    private static func brakingDistance(_ draw: inout Draw) -> String {
        let vehicle = draw.one(of: vehicles)
        let (u, a) = (draw.number(50...350), draw.number(20...80))
        let d = Decimal(rounding: u.value * u.value / (2 * a.value), places: 1)
        let question = draw.one(of: [
            "\(an(vehicle)) at \(u) m/s brakes with a deceleration of \(a) m/s^2. What is its braking distance?",
            "What distance does \(an(vehicle)) need to stop from \(u) m/s if it decelerates at \(a) m/s^2?",
        ])
        return problem(question, "d = u^2 / (2 a) = \(u)^2 / (2 * \(a)) = \(d) m")
    }

    private static func stoppingDistanceWithReaction(_ draw: inout Draw) -> String {
        let (u, r, a) = (draw.number(50...350), draw.number(5...20), draw.number(20...80))
        let d1 = Decimal(rounding: u.value * r.value, places: 1)
        let d2 = Decimal(rounding: u.value * u.value / (2 * a.value), places: 1)
        let d = Decimal(rounding: d1.value + d2.value, places: 1)
        return problem(
            "A driver at \(u) m/s sees an obstacle, reacts after \(r) s and brakes at \(a) m/s^2. What is the stopping distance?",
            "d1 = u r = \(u) * \(r) = \(d1) m", "d2 = u^2 / (2 a) = \(u)^2 / (2 * \(a)) = \(d2) m",
            "d = d1 + d2 = \(d1) + \(d2) = \(d) m")
    }

    // MARK: Free fall and vertical throw, g = 9.8 m/s^2

    private static func fallingTime(_ draw: inout Draw) -> String {
        let (thing, place) = (draw.one(of: dropped), draw.one(of: places))
        let h = draw.number(20...1500)
        let t = Decimal(rounding: (2 * h.value / gravity).squareRoot(), places: 2)
        let question = draw.one(of: [
            "\(an(thing)) falls from \(an(place)) \(h) m high. How long does it fall?",
            "\(an(thing)) is dropped from \(an(place)), \(h) m above the ground. When does it hit the ground?",
        ])
        return problem(question, "t = sqrt(2 h / g) = sqrt(2 * \(h) / 9.8) = \(t) s")
    }

    private static func fallingDistance(_ draw: inout Draw) -> String {
        let (thing, place) = (draw.one(of: dropped), draw.one(of: places))
        let t = draw.number(20...600, places: 2)
        let h = Decimal(rounding: 0.5 * gravity * (t.value * t.value), places: 1)
        return problem(
            "\(an(thing)) is dropped from \(an(place)). How far has it fallen after \(t) s?",
            "h = 0.5 g t^2 = 0.5 * 9.8 * \(t)^2 = \(h) m")
    }

    private static func impactSpeed(_ draw: inout Draw) -> String {
        let (thing, place) = (draw.one(of: dropped), draw.one(of: places))
        let h = draw.number(20...1500)
        let v = Decimal(rounding: (2 * gravity * h.value).squareRoot(), places: 1)
        return problem(
            "\(an(thing)) falls from \(an(place)) \(h) m high. How fast is it when it reaches the ground?",
            "v = sqrt(2 g h) = sqrt(2 * 9.8 * \(h)) = \(v) m/s")
    }

    private static func depthOfWell(_ draw: inout Draw) -> String {
        let thing = draw.one(of: dropped)
        let t = draw.number(50...400, places: 2)
        let h = Decimal(rounding: 0.5 * gravity * (t.value * t.value), places: 1)
        return problem(
            "\(an(thing)) dropped into a well reaches the water after \(t) s. How deep is the well?",
            "h = 0.5 g t^2 = 0.5 * 9.8 * \(t)^2 = \(h) m")
    }

    private static func throwHeight(_ draw: inout Draw) -> String {
        let thing = draw.one(of: thrown)
        let u = draw.number(30...600)
        let h = Decimal(rounding: u.value * u.value / (2 * gravity), places: 1)
        let question = draw.one(of: [
            "\(an(thing)) is launched straight up at \(u) m/s. How high does it rise?",
            "What height does \(an(thing)) reach that is sent straight up at \(u) m/s?",
        ])
        return problem(question, "h = u^2 / (2 g) = \(u)^2 / (2 * 9.8) = \(h) m")
    }

    private static func throwFlightTime(_ draw: inout Draw) -> String {
        let thing = draw.one(of: thrown)
        let u = draw.number(30...600)
        let t = Decimal(rounding: 2 * u.value / gravity, places: 2)
        return problem(
            "\(an(thing)) is launched straight up at \(u) m/s. After what time is it back?",
            "t = 2 u / g = 2 * \(u) / 9.8 = \(t) s")
    }

    private static func throwSpeedLater(_ draw: inout Draw) -> String {
        let thing = draw.one(of: thrown)
        let (u, t) = (draw.number(200...600), draw.number(1...20))  // 9.8 * 2.0 < 20: still rising
        let v = Decimal(rounding: u.value - gravity * t.value, places: 1)
        return problem(
            "\(an(thing)) is launched straight up at \(u) m/s. What is its velocity after \(t) s?",
            "v = u - g t = \(u) - 9.8 * \(t) = \(v) m/s")
    }

    private static func throwFromBalcony(_ draw: inout Draw) -> String {
        let (thing, place) = (draw.one(of: thrown), draw.one(of: places))
        let (u, h) = (draw.number(20...200), draw.number(20...600))
        let v = Decimal(rounding: (u.value * u.value + 2 * gravity * h.value).squareRoot(), places: 1)
        return problem(
            "\(an(thing)) is thrown straight down at \(u) m/s from \(an(place)) \(h) m high. How fast does it hit the ground?",
            "v = sqrt(u^2 + 2 g h) = sqrt(\(u)^2 + 2 * 9.8 * \(h)) = \(v) m/s")
    }

    // MARK: Projectiles

    private static func horizontalThrow(_ draw: inout Draw) -> String {
        let (thing, place) = (draw.one(of: thrown), draw.one(of: places))
        let (v, h) = (draw.number(30...300), draw.number(20...800))
        let t = Decimal(rounding: (2 * h.value / gravity).squareRoot(), places: 2)
        let d = Decimal(rounding: v.value * t.value, places: 1)
        return problem(
            "\(an(thing)) leaves \(an(place)) \(h) m high horizontally at \(v) m/s. How far away does it land?",
            "t = sqrt(2 h / g) = sqrt(2 * \(h) / 9.8) = \(t) s", "d = v t = \(v) * \(t) = \(d) m")
    }

    /// Degrees, sine, sine of the double angle: written out, as a table would give them.
    private static let angles = [
        (15, Decimal(259, places: 3), Decimal(500, places: 3)), (30, Decimal(500, places: 3), Decimal(866, places: 3)),
        (45, Decimal(707, places: 3), Decimal(1000, places: 3)), (60, Decimal(866, places: 3), Decimal(866, places: 3)),
        (75, Decimal(966, places: 3), Decimal(500, places: 3)),
    ]

    private static func projectileRange(_ draw: inout Draw) -> String {
        let thing = draw.one(of: thrown)
        let (u, (angle, _, double)) = (draw.number(50...600), draw.one(of: angles))
        let d = Decimal(rounding: u.value * u.value * double.value / gravity, places: 1)
        return problem(
            "\(an(thing)) is launched from the ground at \(u) m/s, \(angle) degrees above the horizontal. What is its range?",
            "d = u^2 sin(\(2 * angle)) / g = \(u)^2 * \(double) / 9.8 = \(d) m")
    }

    private static func projectileHeight(_ draw: inout Draw) -> String {
        let thing = draw.one(of: thrown)
        let (u, (angle, sine, _)) = (draw.number(50...600), draw.one(of: angles))
        let w = Decimal(rounding: u.value * sine.value, places: 2)
        let h = Decimal(rounding: w.value * w.value / (2 * gravity), places: 1)
        return problem(
            "\(an(thing)) is launched from the ground at \(u) m/s, \(angle) degrees above the horizontal. How high does it rise?",
            "w = u sin(\(angle)) = \(u) * \(sine) = \(w) m/s", "h = w^2 / (2 g) = \(w)^2 / (2 * 9.8) = \(h) m")
    }

    // MARK: Relative motion

    private static func meetingTime(_ draw: inout Draw) -> String {
        let (one, other) = (draw.one(of: movers), draw.one(of: movers))
        let (d, v, w) = (draw.number(100...3000, places: 0), draw.number(10...120), draw.number(10...120))
        let t = Decimal(rounding: d.value / (v.value + w.value), places: 1)
        return problem(
            "\(an(one)) at \(v) m/s and \(an(other)) at \(w) m/s move towards each other from \(d) m apart. When do they meet?",
            "t = d / (v + w) = \(d) / (\(v) + \(w)) = \(t) s")
    }

    private static func overtakingTime(_ draw: inout Draw) -> String {
        let (one, other) = (draw.one(of: movers), draw.one(of: movers))
        let (d, w) = (draw.number(20...900, places: 0), draw.number(10...80))
        let v = Decimal(rounding: w.value + draw.number(10...60).value, places: 1)
        let t = Decimal(rounding: d.value / (v.value - w.value), places: 1)
        return problem(
            "\(an(one)) at \(v) m/s follows \(an(other)) at \(w) m/s that is \(d) m ahead. After what time does it catch up?",
            "t = d / (v - w) = \(d) / (\(v) - \(w)) = \(t) s")
    }

    private static func boatOnRiver(_ draw: inout Draw) -> String {
        let boat = draw.one(of: ["boat", "ferry", "canoe", "swimmer", "raft"])
        let (v, w) = (draw.number(10...120), draw.number(5...60))
        let s = Decimal(rounding: (v.value * v.value + w.value * w.value).squareRoot(), places: 2)
        return problem(
            "\(an(boat)) heads straight across a river at \(v) m/s; the current is \(w) m/s. What is its speed over the ground?",
            "s = sqrt(v^2 + w^2) = sqrt(\(v)^2 + \(w)^2) = \(s) m/s")
    }

    // MARK: Circular motion, pi = 3.14

    private static func orbitSpeed(_ draw: inout Draw) -> String {
        let rider = draw.one(of: ["carousel seat", "model train", "cyclist", "skater", "drone", "toy plane"])
        let (r, t) = (draw.number(10...600), draw.number(20...900))
        let v = Decimal(rounding: 2 * 3.14 * r.value / t.value, places: 2)
        return problem(
            "\(an(rider)) goes round a circle of radius \(r) m once in \(t) s. What is its speed?",
            "v = 2 pi r / t = 2 * 3.14 * \(r) / \(t) = \(v) m/s")
    }

    private static func centripetalAcceleration(_ draw: inout Draw) -> String {
        let mover = draw.one(of: vehicles)
        let (v, r) = (draw.number(20...300), draw.number(50...3000))
        let a = Decimal(rounding: v.value * v.value / r.value, places: 2)
        return problem(
            "\(an(mover)) takes a bend of radius \(r) m at \(v) m/s. What is its centripetal acceleration?",
            "a = v^2 / r = \(v)^2 / \(r) = \(a) m/s^2")
    }

    private static func frequencyOfRotation(_ draw: inout Draw) -> String {
        let wheel = draw.one(of: ["wheel", "fan", "turntable", "propeller", "grindstone", "drum"])
        let (n, t) = (draw.number(5...900, places: 0), draw.number(20...600))
        let f = Decimal(rounding: n.value / t.value, places: 2)
        return problem(
            "\(an(wheel)) turns \(n) times in \(t) s. What is its frequency of rotation?",
            "f = n / t = \(n) / \(t) = \(f) Hz")
    }
}
