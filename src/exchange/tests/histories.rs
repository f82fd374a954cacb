//! Histories at random through the use cases, as callers see them: what lies in escrow is read by no other party through any
//! method, and what was answered once is answered so again at any later time, and logged once.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::{
    domain::view::{ActView, Happening},
    exchange::access::{GetCommunique, ListActs, ListCommuniques, ListEvents, ListRevisions, Watch},
};

const IDS: [&str; 3] = ["east", "north", "south"];
const HOLDERS: [&str; 3] = ["a1", "b1", "c1"];
const CASES: u32 = 64;
const STEPS: usize = 40;

#[derive(Clone, Debug)]
enum Move {
    Revise,
    /// An act of this kind by a holder.
    Act(usize, usize, usize),
    /// The same by every party, by its first holder.
    All(ActKind),
    Publish,
    Repeat(usize),
    Pass(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        2 => Just(Move::Revise),
        12 => (0..ActKind::ALL.len(), 0..IDS.len(), 0..HOLDERS.len()).prop_map(|(k, p, h)| Move::Act(k, p, h)),
        6 => prop::sample::select(vec![ActKind::Initial, ActKind::Initial, ActKind::Sign]).prop_map(Move::All),
        1 => Just(Move::Publish),
        6 => (0usize..64).prop_map(Move::Repeat),
        2 => (1i64..40).prop_map(Move::Pass),
    ];
    prop::collection::vec(step, 1..STEPS)
}

/// All bytes that a party gets from every method that reads of communiqués.
async fn seen(house: &House, of: &str) -> Vec<u8> {
    let (id, e) = (house.world.id, &house.exchange);
    let mut seen: Vec<Vec<u8>> = vec![];
    let acts = |acts: Vec<ActView>, seen: &mut Vec<Vec<u8>>| {
        for act in acts {
            match act {
                ActView::Shown { statement, receipt } => seen.extend([statement.into_bytes(), receipt.entry]),
                ActView::Escrowed { .. } => {}
            }
        }
    };
    let view = e.communique(House::permit::<GetCommunique>(of), id).await.unwrap();
    seen.extend([view.newest.manifest, view.newest.propose.into_bytes(), view.newest.receipt.entry]);
    seen.extend(view.opened.map(|receipt| receipt.entry));
    acts(view.acts, &mut seen);
    acts(e.acts(House::permit::<ListActs>(of), id, 0, 1000).await.unwrap().rows, &mut seen);
    for row in e.revisions(House::permit::<ListRevisions>(of), id, 0, 1000).await.unwrap().rows {
        seen.extend([row.manifest, row.propose.into_bytes(), row.receipt.entry]);
    }
    let rows = e.communiques(House::permit::<ListCommuniques>(of), &ListFilter::default(), None, 1000).await.unwrap();
    seen.extend(rows.rows.into_iter().map(|row| row.manifest));
    let listed = e.events(House::permit::<ListEvents>(of), id, 0, 1000).await.unwrap().rows.into_iter().map(|(_, e)| e);
    let mut watching = e.watch(House::permit::<Watch>(of), Some(0), None).await.unwrap();
    let end = house.memory.log.lock().unwrap().len() as u64;
    let mut watched = vec![];
    while watching.next_index() < end {
        watched.extend(watching.events().await.unwrap());
    }
    for event in listed.chain(watched) {
        if let Happening::Shown(logged) = event.happening {
            seen.push(logged.entry.clone());
            seen.extend(logged.objects.iter().cloned());
        }
    }
    seen.concat()
}

fn holds(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

struct Course {
    house: House,
    /// What was taken, with its first answer, and whose it is.
    taken: Vec<(String, &'static str, Receipt)>,
    revision: u64,
}

impl Course {
    async fn begin(quorum: u64, deadline: bool) -> Self {
        let mut house = House::of(&[("east", 1), ("north", quorum), ("south", 1)]).await;
        let mut manifest = house.world.manifest();
        manifest.procedure.deadline = deadline.then(|| noon().plus(200));
        manifest.procedure.embargo = Some(noon().plus(120));
        house.upload(manifest.proposer.as_str(), house.world.id, TEXT).await;
        house.propose(&manifest).await.unwrap();
        Self { house, taken: vec![], revision: 1 }
    }
    async fn act(&mut self, kind: ActKind, of: &'static str, holder: &str) {
        let house = &mut self.house;
        house.world.now = house.machine.now();
        house.world.life = house.exchange.folds.life(&*house.memory, house.world.id).await.unwrap().life().clone();
        let act = house.world.act(kind, of, holder);
        let Ok(act) = Statement::sign(act, &key(&format!("{of}.{holder}"))) else { return };
        if let Ok(receipt) = house.exchange.act(House::permit::<SubmitAct>(of), act.compact()).await {
            self.taken.push((act.compact().to_owned(), of, receipt));
        }
    }
    async fn step(&mut self, step: Move) {
        match step {
            Move::Revise => {
                self.house.world.now = self.house.machine.now();
                let life = self.house.exchange.folds.life(&*self.house.memory, self.house.world.id).await.unwrap();
                self.house.world.life = life.life().clone();
                let next = self.house.world.manifest();
                self.revision += u64::from(self.house.propose(&next).await.is_ok());
            }
            Move::Act(kind, of, holder) if ActKind::ALL[kind] != ActKind::Propose => {
                self.act(ActKind::ALL[kind], IDS[of], HOLDERS[holder]).await;
            }
            Move::Act(..) => {}
            Move::All(kind) => {
                for of in IDS {
                    self.act(kind, of, "a1").await;
                }
            }
            Move::Publish => {
                let permit = House::permit::<PublishCommunique>("north");
                let _ = self.house.exchange.publish(permit, self.house.world.id).await;
            }
            Move::Repeat(n) => {
                let Some((act, of, first)) = self.taken.get(n % self.taken.len().max(1)) else { return };
                let logged = self.house.memory.log.lock().unwrap().len();
                let again = self.house.exchange.act(House::permit::<SubmitAct>(of), act).await.unwrap();
                // The proof is another, under the head of now.
                assert_eq!((again.index, &again.entry), (first.index, &first.entry), "not the first answer");
                assert_eq!(self.house.memory.log.lock().unwrap().len(), logged, "logged again");
            }
            Move::Pass(seconds) => {
                self.house.machine.0.fetch_add(seconds, Ordering::Relaxed);
                self.house.exchange.settle().await.unwrap();
            }
        }
    }
    /// Escrow, counted from the log and not from what the exchange thinks.
    async fn sealed(&self) {
        let life = self.house.exchange.folds.life(&*self.house.memory, self.house.world.id).await.unwrap();
        let complete = life.completed().is_some().then(|| life.newest().unwrap().manifest.digest());
        for viewer in IDS {
            let seen = seen(&self.house, viewer).await;
            for revision in life.revisions() {
                for act in revision.acts.iter().filter(|a| a.act.act.is_signature()) {
                    let open = act.act.party.as_str() == viewer || complete == Some(act.act.manifest);
                    let bytes = holds(&seen, &act.compact);
                    assert_eq!(bytes, open, "{viewer} and a signature of {}, {}", act.act.party, life.state());
                    assert!(open || !holds(&seen, &act.digest.to_string()), "{viewer} learnt its digest");
                }
            }
        }
    }
}

#[test]
fn escrow_is_shut_to_every_method_and_answers_stay() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let strategy = (moves(), 1u64..3, any::<bool>());
    let counts = std::cell::Cell::new([0; 3]);
    let met = |what: usize, times: usize| {
        let mut counted = counts.get();
        counted[what] += times;
        counts.set(counted);
    };
    TestRunner::new(Config::with_cases(CASES))
        .run(&strategy, |(moves, quorum, deadline)| {
            runtime.block_on(async {
                let mut course = Course::begin(quorum, deadline).await;
                for step in moves {
                    met(0, usize::from(matches!(step, Move::Repeat(_)) && !course.taken.is_empty()));
                    course.step(step).await;
                }
                course.sealed().await;
                // At the end, whatever has happened since, each gets its first answer.
                for n in 0..course.taken.len() {
                    course.step(Move::Repeat(n)).await;
                }
                let life =
                    course.house.exchange.folds.life(&*course.house.memory, course.house.world.id).await.unwrap();
                let signatures = life.revisions().flat_map(|r| &r.acts).filter(|a| a.act.act.is_signature());
                met(1, signatures.count());
                met(2, usize::from(life.completed().is_some()));
            });
            Ok(())
        })
        .unwrap();
    let [repeats, signatures, complete] = counts.get();
    assert!(counts.get().iter().all(|n| *n > 0), "{repeats} repeats, {signatures} signatures, {complete} complete");
}
