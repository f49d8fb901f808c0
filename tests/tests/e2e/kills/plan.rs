//! Who is killed, in which order and after which pauses: the same for the same seed.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The seed of whoever asks for nothing.
const ALWAYS: u64 = 11;
const ACTORS: usize = 5;
const AGENT: [&str; 3] = ["kubelet", "containerd", "kube-proxy"];
const SERVER: [&str; 3] = ["kube-apiserver", "kine", "kube-controller-manager"];
/// The longest pause before a kill: what was killed before it is on its way back meanwhile.
const LONG: u64 = 4000;
/// … of kills that come together.
const SHORT: u64 = 100;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Worker,
    Agent(&'static str),
    Gateway,
    Server(&'static str),
    Devnet,
}

/// Kills, each after a pause.
pub(super) struct Order(Vec<(Duration, Victim)>);

/// Random orders.
pub(super) struct Plan {
    seed: u64,
    drawn: u64,
}

/// A number from the environment.
pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

// === impl Order ===

impl Order {
    /// One that once cost a node its pods: the worker came back before the API server, was told of an error inside the master, and
    /// took that for the end.
    pub(super) fn known() -> Self {
        let after = |ms, victim| (Duration::from_millis(ms), victim);
        Self(vec![after(0, Victim::Server("kube-apiserver")), after(0, Victim::Worker)])
    }

    pub(super) fn kills(&self) -> &[(Duration, Victim)] {
        &self.0
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (pause, victim)) in self.0.iter().enumerate() {
            let gap = if number == 0 { "" } else { ", " };
            write!(f, "{gap}{} after {} ms", victim.name(), pause.as_millis())?;
        }
        Ok(())
    }
}

impl Victim {
    const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Agent(program) | Self::Server(program) => program,
            Self::Gateway => "gateway",
            Self::Devnet => "devnet",
        }
    }
}

// === impl Plan ===

impl Plan {
    /// The seed of the environment, else a new one where orders are asked for, and always the same where not.
    pub(super) fn new() -> Self {
        let new = || number("DAAS_KILLS").map_or(ALWAYS, |_| RandomState::new().hash_one("kills") >> 32);
        let seed = number("DAAS_KILLS_SEED").unwrap_or_else(new);
        Self { seed, drawn: 0 }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// One to all of the actors, each once, together or one after the other.
    pub(super) fn order(&mut self) -> Order {
        let mut actors: Vec<usize> = (0..ACTORS).collect();
        for last in (1..ACTORS).rev() {
            actors.swap(last, self.index(last + 1));
        }
        actors.truncate(1 + self.index(ACTORS));
        let kills = actors.into_iter().map(|actor| {
            let longest = if self.index(2) == 0 { SHORT } else { LONG };
            (Duration::from_millis(self.draw() % longest), self.victim(actor))
        });
        Order(kills.collect())
    }

    fn victim(&mut self, actor: usize) -> Victim {
        match actor {
            0 => Victim::Worker,
            1 => Victim::Agent(AGENT[self.index(AGENT.len())]),
            2 => Victim::Gateway,
            3 => Victim::Server(SERVER[self.index(SERVER.len())]),
            _ => Victim::Devnet,
        }
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.draw()).unwrap_or_default() % below
    }

    /// splitmix64: a seed says the same everywhere.
    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let mut z = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
