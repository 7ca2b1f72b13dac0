use super::*;

const PUBLISH: bool = true;
const OTHER: bool = false;

fn limits() -> RequestLimits {
    RequestLimits {
        requests_in_flight_max: 6,
        requests_per_sender_max: 4,
        requests_bytes_max: 100,
        requests_bytes_per_sender_max: 50,
        exclusive_in_flight_max: 2,
        answers_bytes_max: 3,
    }
}

fn admit(ordering: &mut Ordering<&'static str>, sender: &str, request: &'static str, is_publish: bool) {
    ordering.admit(sender, Arrival { request, is_publish, bytes: 1 }).expect("there is room");
}

fn started(ordering: &mut Ordering<&'static str>) -> Vec<(Ticket, &'static str)> {
    std::iter::from_fn(|| ordering.start()).collect()
}

fn names(started: &[(Ticket, &'static str)]) -> Vec<&'static str> {
    started.iter().map(|(_, name)| *name).collect()
}

fn sent(ordering: &mut Ordering<&'static str>) -> Vec<String> {
    std::iter::from_fn(|| ordering.take_answer()).flatten().collect()
}

#[test]
fn publishes_of_one_sender_overlap_and_are_answered_in_order() {
    let mut ordering = Ordering::new(limits());
    for name in ["p1", "p2", "p3"] {
        admit(&mut ordering, "a", name, PUBLISH);
    }
    let running = started(&mut ordering);
    assert_eq!(names(&running), ["p1", "p2", "p3"]);
    ordering.finish(&running[2].0, vec!["3".to_owned()]);
    ordering.finish(&running[1].0, vec!["2".to_owned()]);
    assert_eq!(sent(&mut ordering), Vec::<String>::new());
    ordering.finish(&running[0].0, vec!["1".to_owned()]);
    assert_eq!(sent(&mut ordering), ["1", "2", "3"]);
    assert!(ordering.is_idle() && ordering.senders.is_empty(), "nothing is left");
}

#[test]
fn anything_else_waits_for_what_is_before_and_holds_up_what_is_behind() {
    let mut ordering = Ordering::new(limits());
    for (name, is_publish) in [("p1", PUBLISH), ("q2", OTHER), ("p3", PUBLISH), ("p4", PUBLISH)] {
        admit(&mut ordering, "a", name, is_publish);
    }
    let first = started(&mut ordering);
    assert_eq!(names(&first), ["p1"]);
    ordering.finish(&first[0].0, vec!["1".to_owned()]);
    let second = started(&mut ordering);
    assert_eq!(names(&second), ["q2"]);
    ordering.finish(&second[0].0, vec!["2".to_owned()]);
    assert_eq!(names(&started(&mut ordering)), ["p3", "p4"]);
    assert_eq!(sent(&mut ordering), ["1", "2"]);
}

#[test]
fn senders_do_not_wait_for_each_other() {
    let mut ordering = Ordering::new(limits());
    admit(&mut ordering, "a", "a1", OTHER);
    admit(&mut ordering, "a", "a2", OTHER);
    admit(&mut ordering, "b", "b1", OTHER);
    let running = started(&mut ordering);
    assert_eq!(names(&running), ["a1", "b1"]);
    ordering.finish(&running[1].0, vec!["b".to_owned()]);
    assert_eq!(sent(&mut ordering), ["b"]);
}

#[test]
fn only_so_many_run_at_once_except_for_publishes() {
    let mut ordering = Ordering::new(limits());
    for sender in ["a", "b", "c"] {
        admit(&mut ordering, sender, sender, OTHER);
    }
    admit(&mut ordering, "d", "d", PUBLISH);
    let running = started(&mut ordering);
    assert_eq!(names(&running), ["d", "a", "b"]);
    ordering.finish(&running[1].0, Vec::new());
    assert_eq!(names(&started(&mut ordering)), ["c"]);
}

#[test]
fn answers_that_pile_up_hold_back_what_is_not_started() {
    let mut ordering = Ordering::new(limits());
    ordering.send(vec!["long".to_owned()]);
    admit(&mut ordering, "a", "q", OTHER);
    assert_eq!(ordering.load(), RequestLoad { requests: 1, bytes: 1, answers_bytes: 4 });
    assert!(!ordering.has_room());
    assert_eq!(names(&started(&mut ordering)), Vec::<&str>::new());
    assert_eq!(sent(&mut ordering), ["long"]);
    assert!(ordering.has_room());
    assert_eq!(names(&started(&mut ordering)), ["q"]);
}

#[test]
fn where_no_answer_is_due_none_leaves() {
    let mut ordering = Ordering::new(limits());
    admit(&mut ordering, "a", "silent", OTHER);
    admit(&mut ordering, "a", "q", OTHER);
    for expected in ["silent", "q"] {
        let running = started(&mut ordering);
        assert_eq!(names(&running), [expected]);
        let answer = if expected == "silent" { Vec::new() } else { vec!["answer".to_owned()] };
        ordering.finish(&running[0].0, answer);
    }
    assert_eq!(sent(&mut ordering), ["answer"]);
    assert!(ordering.is_idle());
}

#[test]
fn an_answer_of_several_stanzas_leaves_in_one_piece_and_counts_whole() {
    let mut ordering = Ordering::new(limits());
    admit(&mut ordering, "a", "q1", OTHER);
    admit(&mut ordering, "b", "q2", OTHER);
    let running = started(&mut ordering);
    ordering.finish(&running[1].0, ["1", "2", "end"].map(str::to_owned).to_vec());
    assert_eq!(ordering.load().answers_bytes, 5);
    ordering.finish(&running[0].0, vec!["other".to_owned()]);
    assert!(!ordering.has_room());
    assert_eq!(sent(&mut ordering), ["1", "2", "end", "other"]);
    assert!(ordering.is_idle());
}

#[test]
fn every_bound_refuses_what_is_over_it() {
    let arrival = |bytes| Arrival { request: "x", is_publish: PUBLISH, bytes };
    let mut ordering = Ordering::new(limits());
    for _ in 0..4 {
        assert_eq!(ordering.admit("a", arrival(1)), Ok(()));
    }
    assert_eq!(ordering.admit("a", arrival(1)), Err("x"), "of one sender");
    assert_eq!(ordering.admit("b", arrival(40)), Ok(()));
    assert_eq!(ordering.admit("b", arrival(11)), Err("x"), "of bytes of one sender");
    assert_eq!(ordering.admit("c", arrival(57)), Err("x"), "of bytes");
    assert_eq!(ordering.admit("c", arrival(56)), Ok(()), "the only one of its sender");
    assert_eq!(ordering.admit("d", arrival(0)), Err("x"), "of all");
    for (ticket, _) in started(&mut ordering) {
        ordering.finish(&ticket, vec!["a".to_owned()]);
    }
    assert_eq!(sent(&mut ordering).len(), 6);
    assert!(ordering.is_idle());
    assert_eq!(ordering.admit("d", arrival(100)), Ok(()), "there is room again");
}

#[test]
fn a_user_with_many_resources_has_the_share_of_one() {
    let arrival = |bytes| Arrival { request: "x", is_publish: PUBLISH, bytes };
    let mut ordering = Ordering::new(limits());
    for sender in ["a@b/1", "a@b/2", "a@b/3/3", "a@b"] {
        assert_eq!(ordering.admit(sender, arrival(10)), Ok(()));
    }
    assert_eq!(ordering.admit("a@b/5", arrival(0)), Err("x"), "four in flight");
    let running = started(&mut ordering);
    assert_eq!(running.len(), 4, "none of them waits for another");
    ordering.finish(&running[2].0, vec!["3".to_owned()]);
    assert_eq!(sent(&mut ordering), ["3"]);
    assert_eq!(ordering.admit("a@b/5", arrival(21)), Err("x"), "30 bytes in flight");
    assert_eq!(ordering.admit("a@b/5", arrival(20)), Ok(()));
    assert_eq!(ordering.admit("c@b/1", arrival(4)), Ok(()), "the others' share is theirs");
}

#[test]
fn a_known_answer_over_a_bound_leaves_at_once() {
    let check = |in_flight: &[(&str, usize)], answer_bytes, leaves_at_once| {
        let mut ordering = Ordering::new(limits());
        for (sender, bytes) in in_flight {
            let arrival = Arrival { request: "p", is_publish: PUBLISH, bytes: *bytes };
            ordering.admit(sender, arrival).expect("there is room");
        }
        ordering.admit_answer("a/1", vec!["x".repeat(answer_bytes)]);
        assert_eq!(sent(&mut ordering).len(), usize::from(leaves_at_once), "{in_flight:?}");
    };
    check(&[("a/1", 1), ("a/2", 1), ("a/3", 1), ("a/4", 1)], 1, true);
    check(&[("a/1", 1), ("b", 1), ("b", 1), ("c", 1), ("c", 1), ("c", 1)], 1, true);
    check(&[("a/1", 1)], 50, true);
    check(&[("a/1", 1), ("b", 60)], 40, true);
    check(&[("a/1", 1), ("b", 60)], 39, false);
}

#[test]
fn a_known_answer_leaves_behind_the_senders_earlier_ones() {
    let mut ordering = Ordering::new(limits());
    ordering.admit_answer("a", vec!["at once".to_owned()]);
    assert_eq!(sent(&mut ordering), ["at once"]);
    admit(&mut ordering, "a", "p1", PUBLISH);
    ordering.admit_answer("a", vec!["known".to_owned()]);
    admit(&mut ordering, "a", "p2", PUBLISH);
    admit(&mut ordering, "a", "q", OTHER);
    let running = started(&mut ordering);
    assert_eq!(names(&running), ["p1", "p2"]);
    ordering.finish(&running[1].0, vec!["2".to_owned()]);
    assert_eq!(sent(&mut ordering), Vec::<String>::new());
    ordering.finish(&running[0].0, vec!["1".to_owned()]);
    assert_eq!(sent(&mut ordering), ["1", "known", "2"]);
    assert_eq!(names(&started(&mut ordering)), ["q"]);
}

/// Any mix of requests, finished in any order: each is answered once, in its sender's order.
#[test]
fn whatever_happens_nothing_is_lost_or_overtaken() {
    let mut seed = 7_u64;
    let mut below = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for _ in 0..300 {
        let mut ordering: Ordering<(u64, u64)> =
            Ordering::new(RequestLimits { answers_bytes_max: 1_000, ..limits() });
        let (mut next, mut sent, mut running) = ([0; 3], [0; 3], Vec::new());
        let mut refused = 0;
        for step in 0..200 {
            let sender = below(3);
            let at = usize::try_from(sender).unwrap();
            match below(4) {
                0 | 1 if step < 120 => {
                    let arrival =
                        Arrival { request: (sender, next[at]), is_publish: below(2) == 0, bytes: 1 };
                    match ordering.admit(&sender.to_string(), arrival) {
                        Ok(()) => next[at] += 1,
                        Err(_) => refused += 1,
                    }
                }
                _ if !running.is_empty() => {
                    let chosen = usize::try_from(below(running.len() as u64)).unwrap();
                    let (ticket, (sender, number)): (Ticket, (u64, u64)) = running.swap_remove(chosen);
                    ordering.finish(&ticket, vec![format!("{sender} {number}")]);
                }
                _ => {}
            }
            running.extend(std::iter::from_fn(|| ordering.start()));
            while let Some(answer) = ordering.take_answer() {
                let (sender, number) = answer[0].split_once(' ').unwrap();
                let at: usize = sender.parse().unwrap();
                assert_eq!(number.parse(), Ok(sent[at]), "of sender {sender}");
                sent[at] += 1;
            }
        }
        assert_eq!(sent, next, "{refused} refused");
        assert!(ordering.is_idle() && ordering.others_running == 0);
        assert_eq!(ordering.in_flight, Loads::default());
    }
}

#[test]
fn one_user_does_not_have_all_places_of_slow_requests() {
    let limits = RequestLimits { exclusive_in_flight_max: 16, ..RequestLimits::default() };
    let mut ordering = Ordering::new(limits);
    let ask = |ordering: &mut Ordering<String>, sender: &str| {
        let request = sender.to_owned();
        ordering.admit(sender, Arrival { request, is_publish: false, bytes: 1 }).unwrap();
    };
    for resource in 0..20 {
        ask(&mut ordering, &format!("a@example.org/{resource}"));
    }
    ask(&mut ordering, "b@example.org/x");
    let started: Vec<_> = std::iter::from_fn(|| ordering.start()).collect();
    let of = |user: &str| started.iter().filter(|(_, request)| request.starts_with(user)).count();
    assert_eq!((of("a@"), of("b@")), (2, 1), "an eighth");
    let mut answered = 0;
    let mut running: VecDeque<_> = started.into_iter().map(|(ticket, _)| ticket).collect();
    while let Some(ticket) = running.pop_front() {
        ordering.finish(&ticket, vec!["answer".to_owned()]);
        answered += 1;
        running.extend(std::iter::from_fn(|| ordering.start()).map(|(ticket, _)| ticket));
    }
    assert_eq!(answered, 21, "the others' turn comes");
    assert!(ordering.held.is_empty());
}

#[test]
fn answers_that_wait_hold_up_what_comes_from_their_bound_on() {
    let mut ordering = Ordering::<&'static str>::new(limits());
    ordering.send(Vec::new());
    ordering.send(vec![String::new()]);
    assert_eq!(ordering.take_answer(), None, "nothing is no answer");
    ordering.send(vec!["ab".to_owned()]);
    assert!(ordering.has_room(), "below the bound of 3 bytes");
    ordering.send(vec!["c".to_owned()]);
    assert!(!ordering.has_room(), "at it");
    assert_eq!(ordering.take_answer(), Some(vec!["ab".to_owned()]));
    assert!(ordering.has_room());
    ordering.send(vec!["d".to_owned()]);
    assert!(ordering.has_room(), "two bytes wait");
}
