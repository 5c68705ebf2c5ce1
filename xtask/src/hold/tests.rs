use super::record::Progress;
use super::*;

const ROLE: &str = "arn:aws:sts::1:assumed-role/dev";

fn process() -> Process {
    Process {
        id: 7,
        started: Some("4242".into()),
        boot: Some("this one".into()),
    }
}

fn me() -> Me {
    Me {
        identity: format!("{ROLE}/jo@example.org"),
        author: "jo".into(),
        host: "laptop".into(),
        process: process(),
    }
}

fn hold_of(me: &Me, purpose: Purpose) -> Hold {
    Hold::new(me, "test", purpose, Duration::from_secs(600))
}

fn someone() -> Me {
    Me {
        identity: format!("{ROLE}/kim@example.org"),
        author: "kim".into(),
        host: "desk".into(),
        process: process(),
    }
}

fn stands(hold: &Hold, later: u64, alive: bool) -> Standing {
    let now = Moment::now().after(Duration::from_secs(later));
    let is_dead = |of: &Process| {
        assert_eq!(*of, process());
        !alive
    };
    standing(Found::Record(hold.clone()), &me(), now, is_dead)
}

#[test]
fn whose_it_is() {
    let mine = hold_of(&me(), Purpose::Hold);
    // My own hold stays mine after its time, until somebody takes it.
    assert_eq!(stands(&mine, 0, true), Standing::Mine(mine.clone()));
    assert_eq!(stands(&mine, 700, true), Standing::Mine(mine.clone()));
    let theirs = hold_of(&someone(), Purpose::Hold);
    assert_eq!(stands(&theirs, 0, true), Standing::Theirs(theirs.clone()));
    assert_eq!(
        stands(&theirs, 700, true),
        Standing::Expired(theirs.clone())
    );
    // Another try of mine is somebody else's business, unless its process is gone.
    let attempt = hold_of(&me(), Purpose::Try);
    assert_eq!(stands(&attempt, 0, true), Standing::Theirs(attempt.clone()));
    assert_eq!(
        stands(&attempt, 0, false),
        Standing::Leftover(attempt.clone())
    );
    let nothing = standing(Found::Nothing, &me(), Moment::now(), |_| false);
    assert_eq!(nothing, Standing::Free);
}

#[test]
fn the_same_person_is_known_by_identity_or_by_role_and_host() {
    let changed = |identity: &str, author: &str, host: &str| {
        let hold = hold_of(
            &Me {
                identity: identity.into(),
                author: author.into(),
                host: host.into(),
                process: process(),
            },
            Purpose::Hold,
        );
        matches!(stands(&hold, 0, true), Standing::Mine(_))
    };
    let same = me().identity;
    let new_session = format!("{ROLE}/1700000000");
    assert!(changed(&same, "jo", "other-machine"));
    assert!(changed(&new_session, "jo", "laptop"));
    assert!(!changed(&new_session, "jo", "other-machine"));
    assert!(!changed(&same, "kim", "laptop"));
    assert!(!changed("arn:aws:iam::1:user/a/jo", "jo", "laptop"));
}

#[test]
fn who_may_hold() {
    let theirs = hold_of(&someone(), Purpose::Hold);
    let refused = may_hold(Standing::Theirs(theirs.clone()), false, " --sandbox").unwrap_err();
    assert_eq!(refused.kind, crate::failure::Kind::Refused);
    assert!(
        refused.message.contains("held by kim"),
        "{}",
        refused.message
    );
    assert!(refused.hint.unwrap().contains("hold --break --sandbox"));
    let take = |standing, break_it| may_hold(standing, break_it, "").unwrap();
    assert_eq!(take(Standing::Free, false), Take::Create);
    assert_eq!(
        take(Standing::Theirs(theirs.clone()), true),
        Take::Break(theirs.clone())
    );
    // What has expired needs no breaking.
    assert_eq!(
        take(Standing::Expired(theirs.clone()), false),
        Take::Replace(theirs)
    );
    let garbled = || Standing::Unreadable("no JSON".into());
    assert!(may_hold(garbled(), false, "").is_err());
    assert_eq!(take(garbled(), true), Take::Overwrite);
}

#[test]
fn whoever_meets_a_claim_is_told_for_how_long_and_what_goes_without_it() {
    let claim = hold_of(&someone(), Purpose::Try);
    let hint = held_by(&claim, claim.since, " --sandbox").hint.unwrap();
    for words in [
        "cargo xtask hold --wait --sandbox\n",
        "if its process 7 on desk is gone, the environment is free in 10 min by itself\n",
        "cargo xtask run TASK --sandbox",
    ] {
        assert!(hint.contains(words), "no `{words}` in {hint}");
    }
    assert!(!hint.contains("--break"), "{hint}");
}

#[test]
fn a_record_that_cannot_be_written_says_what_was_seen() {
    let words = "PreconditionFailed: it is not so";
    let place = "s3://b/holds/test.json";
    let expired = hold_of(&someone(), Purpose::Try);
    for (standing, found) in [
        (Standing::Free, "the last look found nobody there"),
        (
            Standing::Expired(expired),
            "the last look found test is in use by a try of kim",
        ),
    ] {
        let problem = overtaken(10, place, words, &standing);
        for part in [
            "10 writes to s3://b/holds/test.json were refused",
            words,
            found,
        ] {
            assert!(problem.message.contains(part), "no `{part}` in {problem}");
        }
    }
}

#[test]
fn who_may_change_what_is_deployed() {
    let theirs = hold_of(&someone(), Purpose::Hold);
    assert!(may_change(Standing::Theirs(theirs.clone()), "").is_err());
    assert!(may_change(Standing::Unreadable("403".into()), "").is_err());
    // An expired hold still owes main; an expired claim of a try owes nothing.
    let expired = may_change(Standing::Expired(theirs), "").unwrap_err();
    assert!(
        expired.message.contains("was not released"),
        "{}",
        expired.message
    );
    let attempt = hold_of(&someone(), Purpose::Try);
    assert_eq!(
        may_change(Standing::Expired(attempt.clone()), ""),
        Ok(Take::Replace(attempt))
    );
}

#[test]
fn who_may_release() {
    let theirs = hold_of(&someone(), Purpose::Hold);
    assert_eq!(may_release(Standing::Free, false, ""), Ok(None));
    assert!(may_release(Standing::Theirs(theirs.clone()), false, "").is_err());
    assert!(may_release(Standing::Unreadable("x".into()), true, "").is_err());
    for standing in [
        Standing::Theirs(theirs.clone()),
        Standing::Expired(theirs.clone()),
    ] {
        assert_eq!(may_release(standing, true, ""), Ok(Some(theirs.clone())));
    }
}

#[test]
fn duties_pass_to_whoever_takes_over() {
    let mut old = hold_of(&someone(), Purpose::Hold);
    old.previous_tag = Some("main1".into());
    old.pauses = vec!["a.yml".into()];
    let mut new = hold_of(&me(), Purpose::Hold);
    new.previous_tag = Some("branch".into());
    let new = new.inherit(&old).breaking(&old);
    assert_eq!(new.previous_tag.as_deref(), Some("main1"));
    assert_eq!(new.pauses, ["a.yml"]);
    assert_eq!(new.broke[0].author, "kim");
}

#[test]
fn records_are_read_back_and_strangers_refused() {
    let mut hold = hold_of(&me(), Purpose::Hold);
    hold.progress = Progress::Restored;
    let text = serde_json::to_string(&hold).unwrap();
    let read = Hold::read(text.as_bytes()).unwrap();
    assert_eq!(read.id, hold.id);
    assert_eq!(read.expires.to_string(), hold.expires.to_string());
    assert_eq!(read.process(), process());
    // One that an earlier version wrote tells the number alone, which proves nothing.
    let earlier = text
        .replace("\"process_started\":\"4242\",", "")
        .replace("\"boot\":\"this one\",", "");
    assert_ne!(earlier, text);
    let read = Hold::read(earlier.as_bytes()).unwrap();
    assert_eq!((read.process().started, read.process().boot), (None, None));
    for wrong in [
        "",
        "{}",
        &text.replace("\"format\":1", "\"format\":2"),
        &text.replace("\"author\"", "\"auhtor\""),
    ] {
        assert!(Hold::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn one_sentence_says_it_all() {
    let mut hold = hold_of(&someone(), Purpose::Hold);
    hold.reason = Some("the claims\n\n  import".into());
    let now = hold.since.after(Duration::from_secs(240));
    assert_eq!(
        describe(&hold, now),
        format!(
            "test is held by kim ({ROLE}/kim@example.org on desk) since {} (4 min ago), until {} (in 6 min): the claims import",
            hold.since, hold.expires
        )
    );
}
