//! One sequence: a cluster is founded, time passes, operations succeed; and what was refused on the way.

use super::chain::{Abort, Chain, Done, Ground, Op};
use super::draw::{self, Draw, Group};
use super::plan::Plan;
use super::random::Random;
use super::scene::Scene;
use std::collections::BTreeMap;
use sui_sdk_types::{Address, Event};

/// The least number of operations that succeed.
pub(super) const OPERATIONS: usize = 30;
/// So often is a first cluster tried.
const FOUNDINGS: usize = 20;
/// A plan that takes longer is given up.
const MOST_OPERATIONS: usize = 90;
const START_MS: u64 = 1_000_000_000;
/// Percent of operations about which something does not fit.
const SLIPS: u64 = 30;
/// So often is an operation drawn before time passes instead.
const DRAWS: usize = 60;
/// So many calls that may abort are tried before each step, and at the end.
const TRIALS: usize = 16;
const FEW_TRIALS: usize = 4;
const LAST_TRIALS: usize = 120;
/// Percent of them about which something does not fit.
const TRIAL_SLIPS: u64 = 85;

/// What happens.
pub(super) enum Step {
    /// The clock shows this from now on.
    Time(u64),
    /// A cluster is of another version of the package.
    Version(Address, u64),
    Call(Box<Called>),
}

/// A call that succeeded.
pub(super) struct Called {
    pub(super) op: Op,
    pub(super) events: Vec<Event>,
    /// Each object that was passed, as it is after the call.
    pub(super) objects: Vec<Vec<u8>>,
    pub(super) made: Vec<Made>,
}

/// An object that the call made.
pub(super) struct Made {
    pub(super) id: Address,
    /// `module::Name`.
    pub(super) kind: String,
    /// None if it is shared.
    pub(super) owner: Option<Address>,
    pub(super) contents: Vec<u8>,
}

/// A call that aborts after the first `after` steps.
#[derive(Clone)]
pub(super) struct Refusal {
    pub(super) after: usize,
    pub(super) op: Op,
    pub(super) abort: Abort,
}

pub(super) struct Sequence<'g> {
    pub(super) steps: Vec<Step>,
    pub(super) refusals: Vec<Refusal>,
    /// How it ended.
    pub(super) chain: Chain<'g>,
}

/// How often each call of a function was refused so; the rarest are chosen first.
pub(super) type Refused = BTreeMap<Kind, usize>;

/// Why, of which function, and whether something did not fit. What fits is rarely refused for its arguments, so a bound
/// that is too narrow makes a new kind.
pub(super) type Kind = (Abort, &'static str, bool);

struct Life<'g> {
    random: Random,
    chain: Chain<'g>,
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
    plan: Plan,
    theme: Group,
    operations: usize,
}

/// The sequence of this seed, with all refusals there were on its way.
pub(super) fn live(ground: &Ground, seed: u64) -> Sequence<'_> {
    let mut random = Random::new(seed);
    let theme =
        random.one_of([Group::Offices, Group::Stakes, Group::Slashes, Group::Slashes, Group::Masters, Group::Requests]);
    let plan = Plan::of(seed, &mut random, theme);
    let chain = Chain::new(ground, START_MS + random.below(1_000_000));
    let mut life = Life { random, chain, steps: vec![], refusals: vec![], plan, theme, operations: 0 };
    life.begin();
    let operations = OPERATIONS + life.random.index(8);
    while life.operations < operations || life.is_busy() && life.operations < MOST_OPERATIONS {
        life.step();
    }
    // What there is too much of, is asked for again.
    let more = life.operations + if plan.is_steady() { 5 } else { 0 };
    while life.operations < more {
        life.step();
    }
    life.settle();
    life.end()
}

// === impl Life ===

impl<'g> Life<'g> {
    fn begin(&mut self) {
        self.steps.push(Step::Time(self.chain.now_ms));
        for _ in 0..FOUNDINGS {
            let scene = Scene::of(&self.chain);
            let random = Random::new(self.random.next());
            let first = draw::first(&mut Draw::of(random, &scene), self.plan.is_steady());
            self.call(first);
            if self.operations > 0 {
                return;
            }
        }
        panic!("no cluster is founded: {:?}", self.refusals.last().map(|it| it.abort));
    }

    /// Whether it is on its way to what there can be only so many of.
    fn is_busy(&self) -> bool {
        !self.plan.is_done(&Scene::of(&self.chain))
    }

    fn step(&mut self) {
        let (scene, busy) = (Scene::of(&self.chain), self.is_busy());
        let restless = if self.theme == Group::Slashes { 45 } else { 30 };
        if !busy && self.random.chance(restless) {
            self.pass(&scene);
        }
        if !busy && self.random.chance(2) {
            let version = self.random.one_of([0, 2]);
            self.version(&scene, version);
        }
        let scene = Scene::of(&self.chain);
        self.hunt(&scene, if busy { FEW_TRIALS } else { TRIALS }, busy);
        let scene = Scene::of(&self.chain);
        let before = self.operations;
        for _ in 0..DRAWS {
            if let Some(op) = self.drawn(&scene) {
                self.call(op);
            }
            if self.operations > before {
                break;
            }
        }
        if self.random.chance(50) {
            self.settle();
        }
    }

    fn drawn(&mut self, scene: &Scene) -> Option<Op> {
        if self.random.chance(if self.is_busy() { 97 } else { 50 }) {
            let random = Random::new(self.random.next());
            let planned = self.plan.next(&mut Draw::of(random, scene));
            if planned.is_some() {
                return planned;
            }
        }
        let (theme, slips) = (self.theme, self.random.chance(SLIPS));
        draw::any(&mut self.random, scene, slips, |group| if group == theme { 4 } else { 1 })
    }

    fn call(&mut self, op: Op) {
        match self.chain.run(&op) {
            Ok(done) => {
                let called = self.called(op, done);
                self.steps.push(Step::Call(Box::new(called)));
                self.operations += 1;
            }
            Err(Some(abort)) => self.refusals.push(Refusal { after: self.steps.len(), op, abort }),
            // What is no code of the package, such as a sum that does not fit its type, has no place that both name.
            Err(None) => {}
        }
    }

    fn called(&self, op: Op, done: Done) -> Called {
        let contents = |id: &Address| self.chain.objects[id].contents.clone();
        let objects = op.objects().map(|id| contents(&id)).collect();
        let made = done.made.iter().map(|id| {
            let tag = &self.chain.objects[id].tag;
            let kind = format!("{}::{}", tag.module(), tag.name());
            Made { id: *id, kind, owner: self.chain.owner(*id), contents: contents(id) }
        });
        let made = made.collect();
        Called { op, events: done.events, objects, made }
    }

    /// To just before, at or after a moment that matters, or a little further.
    fn pass(&mut self, scene: &Scene) {
        let edges = scene.edges_ms();
        let near = &edges[..edges.len().min(5)];
        let edge = self.random.pick(near).map(|edge| edge - 1 + self.random.below(3));
        let later = match edge {
            Some(edge) if self.random.chance(75) => edge,
            _ => self.chain.now_ms + self.random.below(4000),
        };
        if later > self.chain.now_ms {
            self.chain.now_ms = later;
            self.steps.push(Step::Time(later));
        }
    }

    fn version(&mut self, scene: &Scene, version: u64) {
        let cluster = scene.clusters[0].id.0;
        self.chain.set_version(cluster, version);
        self.steps.push(Step::Version(cluster, version));
    }

    /// The first cluster is of this version again.
    fn settle(&mut self) {
        let scene = Scene::of(&self.chain);
        if scene.clusters[0].version != 1 {
            self.version(&scene, 1);
        }
    }

    /// Looks for calls that abort now. One that does not, though something about it should not fit, is made, unless it
    /// `only_looks`.
    fn hunt(&mut self, scene: &Scene, trials: usize, only_looks: bool) {
        for _ in 0..trials {
            let slips = self.random.chance(TRIAL_SLIPS);
            let Some(op) = draw::any(&mut self.random, scene, slips, |_| 1) else { continue };
            match self.chain.trial(&op) {
                Ok(()) if op.slipped && !only_looks => return self.call(op),
                Ok(()) | Err(None) => {}
                Err(Some(abort)) => self.refusals.push(Refusal { after: self.steps.len(), op, abort }),
            }
        }
    }

    fn end(mut self) -> Sequence<'g> {
        self.hunt(&Scene::of(&self.chain), LAST_TRIALS, true);
        Sequence { steps: self.steps, refusals: self.refusals, chain: self.chain }
    }
}

// === impl Refusal ===

impl Refusal {
    fn kind(&self) -> Kind {
        (self.abort, self.op.function.name, self.op.slipped)
    }
}

// === impl Sequence ===

impl Sequence<'_> {
    /// Keeps so many refusals of those there are, of the rarest kinds; the first of them at the end if `ends_refused`.
    pub(super) fn choose(&mut self, count: usize, ends_refused: bool, refused: &mut Refused) {
        let last = self.steps.len();
        let mut chosen: Vec<Refusal> = vec![];
        while chosen.len() < count {
            let at_end = ends_refused && chosen.is_empty();
            let kind = |it: &Refusal| refused.get(&it.kind()).copied().unwrap_or(0);
            let mut codes: BTreeMap<Abort, usize> = BTreeMap::new();
            for ((abort, ..), times) in refused.iter() {
                *codes.entry(*abort).or_default() += times;
            }
            let code = |it: &Refusal| codes.get(&it.abort).copied().unwrap_or(0);
            let found = self.refusals.iter().enumerate().filter(|(_, it)| !at_end || it.after == last);
            let Some((rarest, _)) = found.min_by_key(|(_, it)| (kind(it), it.op.slipped, code(it))) else { break };
            let rarest = self.refusals.remove(rarest);
            *refused.entry(rarest.kind()).or_default() += 1;
            chosen.push(rarest);
        }
        self.refusals = chosen;
    }
}
