/// Signs that make a contest: one alone may be left over from a process of ours that has just died.
const SIGNS_MIN: u32 = 2;

/// Answers in a row, each to the very next barrier, that end it. When a server deals out at random between two, the
/// odds of as many by chance are one in a million.
const CLEAN_ANSWERS: u32 = 20;

/// Finds out that somebody else is attached as our domain. ejabberd and jabberd2 accept a second connection and deal
/// what is for the domain out between the two, the answers to barriers included.
///
/// It is told by the answers alone: one to a barrier that this link never sent, or one that passes over a barrier before
/// it, because a server answers in order. Neither proves anything false: what is ours is known by its nonce, and the
/// server handles what one stream brings in order, whoever gets the answer.
#[derive(Debug)]
pub(crate) struct Contest {
    /// Starts the id of every barrier of this link, on whatever stream.
    own_prefix: String,
    signs: u32,
    clean_answers: u32,
    foreign_answers: u64,
    skipped_answers: u64,
}

impl Contest {
    /// `link_nonce` is the link's own, in the upper half of the nonces of its streams.
    pub(crate) fn new(link_nonce: u64) -> Self {
        Self {
            own_prefix: format!("b{link_nonce:016x}"),
            signs: 0,
            clean_answers: 0,
            foreign_answers: 0,
            skipped_answers: 0,
        }
    }

    /// Takes the id of an answer from the host domain that belongs to no barrier of this stream; true when it belongs
    /// to a barrier of somebody else's.
    pub(crate) fn take_unknown(&mut self, id: &str) -> bool {
        let is_foreign = is_barrier_id(id) && !id.starts_with(&self.own_prefix);
        if is_foreign {
            self.foreign_answers += 1;
            self.take_sign();
        }
        is_foreign
    }

    /// Takes an answer that settled so many barriers of this stream.
    pub(crate) fn take_own(&mut self, barriers: u64) {
        match barriers {
            0 => {}
            1 => self.clean_answers += 1,
            _ => {
                self.skipped_answers += barriers - 1;
                self.take_sign();
            }
        }
        if self.clean_answers >= CLEAN_ANSWERS {
            self.signs = 0;
            self.clean_answers = 0;
        }
    }

    /// Somebody else is attached, as far as can be told.
    pub(crate) fn is_on(&self) -> bool {
        self.signs >= SIGNS_MIN
    }

    /// Answers to barriers of somebody else's, since the start of the link.
    pub(crate) fn foreign_answers(&self) -> u64 {
        self.foreign_answers
    }

    /// Barriers of ours whose answers went elsewhere, since the start of the link.
    pub(crate) fn skipped_answers(&self) -> u64 {
        self.skipped_answers
    }

    fn take_sign(&mut self) {
        self.signs = self.signs.saturating_add(1);
        self.clean_answers = 0;
    }
}

/// `b`, a nonce of 32 hexadecimal digits, `-`, a number: nobody else's requests look like that.
fn is_barrier_id(id: &str) -> bool {
    let Some((nonce, number)) = id.strip_prefix('b').and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) && number.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "b00000000000000ab00000000000000cd-7";
    const FOREIGN: &str = "b00000000000000ac00000000000000cd-7";

    fn contest() -> Contest {
        Contest::new(0xab)
    }

    #[test]
    fn answers_to_other_links_make_a_contest() {
        let mut contest = contest();
        assert!(contest.take_unknown(FOREIGN));
        assert!(!contest.is_on(), "one may be a dead process's");
        assert!(contest.take_unknown(FOREIGN));
        assert!(contest.is_on());
        assert_eq!((contest.foreign_answers(), contest.skipped_answers()), (2, 0));
    }

    #[test]
    fn answers_that_went_elsewhere_make_a_contest() {
        let mut contest = contest();
        contest.take_own(3);
        contest.take_own(1);
        contest.take_own(2);
        assert!(contest.is_on());
        assert_eq!((contest.foreign_answers(), contest.skipped_answers()), (0, 3));
    }

    #[test]
    fn what_any_server_sends_makes_none() {
        let mut contest = contest();
        for id in [OURS, "b0-0", "1", "", "b00000000000000ac00000000000000cd-x", "b00000000000000ac-7"] {
            assert!(!contest.take_unknown(id), "{id}");
        }
        for _ in 0..100 {
            contest.take_own(1);
            contest.take_own(0);
        }
        assert!(!contest.is_on());
    }

    #[test]
    fn it_ends_when_answers_come_as_they_should_for_a_while() {
        let mut contest = contest();
        contest.take_unknown(FOREIGN);
        contest.take_unknown(FOREIGN);
        (1..CLEAN_ANSWERS).for_each(|_| contest.take_own(1));
        contest.take_own(2);
        (1..CLEAN_ANSWERS).for_each(|_| contest.take_own(1));
        assert!(contest.is_on(), "never so many in a row");
        contest.take_own(1);
        assert!(!contest.is_on());
    }

    #[test]
    fn two_single_signs_far_apart_make_none() {
        let mut contest = contest();
        for _ in 0..5 {
            contest.take_unknown(FOREIGN);
            (0..CLEAN_ANSWERS).for_each(|_| contest.take_own(1));
        }
        assert!(!contest.is_on());
    }
}
