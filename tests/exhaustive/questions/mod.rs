//! Every order of what an agent, people and time do to a job and its question: what each input does follows from the two
//! states alone, and is written in `table.txt`.
//!
//! A state is a clone of the runtime and of its records. From each state every possible input is taken, up to a depth. Two
//! histories that lead to the same states have to go on alike.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::world::{Kind, Place, STEPS, Step, World};
use crate::table::{Machine, ways};

/// What an input does: the answer to it, and the states that it leads to.
type Effect = (String, Place);
/// What each input does in each state.
type Effects = BTreeMap<(Place, Step), Effect>;

/// Takes every order of inputs up to a depth, and notes what each does. Returns the number of inputs.
fn walk(world: &World, path: &mut Vec<Step>, depth: usize, effects: &mut Effects) -> u64 {
    if depth == 0 {
        world.clone().converge(path);
        return 0;
    }
    let (place, mut count) = (world.place(), 0);
    for step in STEPS {
        let mut next = world.clone();
        path.push(step);
        if let Some(answer) = next.step(step) {
            count += 1;
            let effect = (answer, next.place());
            let known = effects.entry((place.clone(), step)).or_insert_with(|| effect.clone());
            assert_eq!(*known, effect, "ours: what an input does follows from the states: {path:?} at {place:?}");
            // What changes nothing leads nowhere new.
            if effect.1 != place || step == Step::Restart {
                count += walk(&next, path, depth - 1, effects);
            }
        }
        path.pop();
    }
    count
}

/// One who may not answer is refused in every state, and learns of no job that he does not see.
fn assert_refused(place: &Place, step: Step, effects: &Effects) {
    let expected = match step {
        Step::Operator => "PERMISSION_DENIED",
        Step::Stranger => "JOB_NOT_FOUND",
        _ => return,
    };
    let refused = (expected.to_owned(), place.clone());
    assert_eq!(effects[&(place.clone(), step)], refused, "ours: {step:?} at {place:?}");
}

fn explore(kind: Kind) -> Effects {
    let mut effects = Effects::new();
    let count = walk(&World::new(kind), &mut Vec::new(), 7, &mut effects);
    assert!(count > 300, "{count}");
    let mut moves = BTreeSet::new();
    for ((before, step), (_, after)) in &effects {
        let is_question = |text: &String| !matches!(text.as_str(), "None");
        let bare = |text: &String| text.split(' ').next().unwrap_or_default().to_owned();
        if is_question(&before.1) && before.1 != after.1 {
            moves.insert((Machine::Question, bare(&before.1), bare(&after.1)));
        }
        assert_refused(before, *step, &effects);
        // A restart begins the job anew.
        if *step != Step::Restart && before.0 != after.0 {
            moves.insert((Machine::Job, before.0.clone(), after.0.clone()));
        }
    }
    let taken = ways(&moves);
    println!("{count} inputs, by {taken:?}");
    assert_eq!(taken[&Machine::Job], ["cancel", "finish", "run", "time_out"].into());
    let last = if kind == Kind::Default { "default" } else { "expire" };
    assert_eq!(taken[&Machine::Question], ["answer", last, "withdraw"].into());
    effects
}

#[test]
fn what_an_input_does_follows_from_the_states_of_the_job_and_of_its_question() {
    let mut table = String::new();
    for kind in [Kind::Default, Kind::Deadline, Kind::Approval] {
        writeln!(table, "# {kind:?}").unwrap();
        for (((job, question), step), (answer, (next_job, next_question))) in explore(kind) {
            if matches!(step, Step::Operator | Step::Stranger) {
                continue;
            }
            let step = format!("{step:?}");
            write!(table, "{job:<11}{question:<18}{step:<10}{answer}").unwrap();
            if (&job, &question) == (&next_job, &next_question) {
                writeln!(table).unwrap();
            } else {
                writeln!(table, " -> {next_job}, {next_question}").unwrap();
            }
        }
    }
    assert!(table == include_str!("table.txt"), "the table has changed; it is now:\n{table}");
}
