//! Everything bad that the wire can reach, as one table: what is done, and the refusal. After each row nothing is stored,
//! nothing is lost, and good requests still work. What a package can be given stands with the package.

mod acts;
mod callers;
mod content;
mod forms;
mod founding;
mod log;
mod negotiating;
mod remarks;
mod scene;

use std::pin::Pin;

use crate::world::{World, reason};
use scene::Scene;

const DAY: i64 = 86_400;
/// A text that obeys the rules.
const GOOD: &str = "Texte d'essai.\n";

type Outcome<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

/// What is done, what is answered, and the doing.
type Row<'a> = (String, &'static str, Outcome<'a>);

fn row<'a>(what: impl Into<String>, expected: &'static str, act: impl Future<Output = String> + 'a) -> Row<'a> {
    (what.into(), expected, Box::pin(act))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_input_has_its_refusal_and_leaves_nothing() {
    let world = World::new().await;
    let scene = Scene::of(&world).await;
    let s = &scene;
    assert_eq!(s.knock(&s.odd(|_| ())).await, "OK", "the odd certificates would be refused for another reason");
    let table = [
        callers::who_calls(s),
        acts::whose_statement(s),
        acts::acts_for_something_else(s),
        acts::not_now(s),
        acts::grants(s),
        forms::headers_of_statements(s),
        forms::json_of_acts(s),
        content::manifests(s),
        content::texts(s),
        content::content(s),
        forms::forms(s),
        forms::repeats(s),
        negotiating::roles(s),
        negotiating::acts(s),
        negotiating::forms(s),
        negotiating::revocations(s),
        negotiating::charters(s),
        remarks::remarks(s),
        remarks::watching(s),
        log::proofs(s),
        log::cosignatures(s),
    ];
    let mut failed = Vec::new();
    let before = world.stored();
    for (what, expected, act) in table.into_iter().flatten() {
        let answered = act.await;
        if answered != expected {
            failed.push(format!("{what}: {answered}, not {expected}"));
        }
        let after = world.stored();
        if after != before {
            failed.push(format!("{what}: stored {after:?} over {before:?}"));
            break;
        }
        // Good requests still work, reading and writing: this upload is an exact repeat.
        let view = world.remote("south").await.communique(s.drafting.communique).await;
        assert_eq!(view.unwrap().newest.manifest, s.drafting.bytes(), "after: {what}");
        assert_eq!(reason(&world.upload("north", s.blank, GOOD.as_bytes()).await), "OK", "after: {what}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));

    // And the whole way on is open.
    let opening = world.open(&scene.drafting).await;
    world.sign_all(&scene.drafting, opening).await;
    world.remote("east").await.publish(scene.drafting.communique).await.unwrap();
    world.propose("north.a", &scene.manifest()).await.unwrap();
    world.stop().await;
}
