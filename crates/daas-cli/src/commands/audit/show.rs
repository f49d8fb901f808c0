use super::Place;
use crate::cli::audit::ShowArgs;
use crate::context::Context;
use crate::output::one_line;
use crate::status_view::{short, table};
use daas_audit::{Caller, End, Entry, Lost, Opened, Record, Start};
use daas_types::{Problem, UnixMs};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

/// What the log tells, in order.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    Request(Box<Request>),
    Opened { record: u64, at: UnixMs, opened: Opened },
    Lost { record: u64, at: UnixMs, lost: Lost },
}

#[derive(Serialize)]
pub(super) struct Request {
    /// Of its start.
    record: u64,
    at: UnixMs,
    start: Start,
    /// None while it runs, or if the process ended before it did.
    end: Option<End<'static>>,
    ended: Option<UnixMs>,
}

/// The last of what was asked for.
pub(super) struct Story<'a> {
    args: &'a ShowArgs,
    /// By the record's number, those that are shown and have no end yet.
    open: HashMap<u64, Request>,
    told: VecDeque<Told>,
}

#[derive(Serialize)]
struct Shown<'a> {
    records: &'a VecDeque<Told>,
}

/// Shows the log as it lies there, up to the first record that cannot be read.
pub(super) fn run(context: &Context, args: &ShowArgs) -> Result<(), Problem> {
    let place = Place::find(context, &args.log)?;
    let mut story = Story::new(args);
    let read = daas_audit::read(&place.disk(), place.id, args.since, |record| {
        story.take(record);
        ControlFlow::Continue(())
    });
    let told = story.end();
    context.output.result(text(&told), &Shown { records: &told });
    context.output.note("whether this is what the enclave wrote: `k3s-daas audit verify`");
    read.map_err(|error| error.problem())
}

// === impl Story ===

impl<'a> Story<'a> {
    pub(super) fn new(args: &'a ShowArgs) -> Self {
        Self { args, open: HashMap::new(), told: VecDeque::new() }
    }

    pub(super) fn take(&mut self, Record { sequence: record, at, entry }: Record) {
        let all = self.args.user.is_none() && self.args.id.is_none() && !self.args.changes;
        match entry {
            Entry::Start(start) if self.wanted(&start) => {
                let request = Request { record, at, start: *start, end: None, ended: None };
                self.open.insert(record, request);
            }
            Entry::Start(_) => {}
            Entry::End(end) => {
                if let Some(request) = self.open.remove(&end.start) {
                    self.tell(Told::Request(Box::new(Request { end: Some(end), ended: Some(at), ..request })));
                }
            }
            Entry::Opened(opened) => {
                self.cut();
                if all {
                    self.tell(Told::Opened { record, at, opened });
                }
            }
            Entry::Lost(lost) => self.tell(Told::Lost { record, at, lost }),
        }
    }

    /// Those without an end are told too.
    pub(super) fn end(mut self) -> VecDeque<Told> {
        self.cut();
        self.told.make_contiguous().sort_by_key(Told::record);
        self.told
    }

    fn cut(&mut self) {
        for (_, request) in core::mem::take(&mut self.open) {
            self.tell(Told::Request(Box::new(request)));
        }
    }

    fn tell(&mut self, told: Told) {
        if let (Some(id), Told::Request(request)) = (&self.args.id, &told) {
            let audit_id = request.end.as_ref().map_or("", |end| &*end.audit_id);
            if id != audit_id && *id != request.record.to_string() {
                return;
            }
        }
        self.told.push_back(told);
        if self.told.len() > self.args.last {
            self.told.pop_front();
        }
    }

    fn wanted(&self, start: &Start) -> bool {
        let who = &start.who;
        let position = || who.position.map_or_else(String::new, |position| position.to_string());
        let named = |text: &String| {
            let text = text.as_str();
            who.user.contains(text) || who.acting_as.contains(text) || position().contains(text)
        };
        self.args.user.as_ref().is_none_or(named) && (!self.args.changes || start.what.mutates())
    }
}

// === impl Told ===

impl Told {
    fn record(&self) -> u64 {
        match self {
            Self::Request(request) => request.record,
            Self::Opened { record, .. } | Self::Lost { record, .. } => *record,
        }
    }
}

pub(super) fn text(told: &VecDeque<Told>) -> String {
    if told.is_empty() {
        return "The log tells of no such request.".to_owned();
    }
    let mut table = table(&["record", "when", "who", "what", "answer"]);
    for told in told {
        let (at, who, what, answer) = match told {
            Told::Request(request) => {
                let Request { at, start, end, .. } = &**request;
                (at, who(start), what(start), answer(end.as_ref()))
            }
            Told::Opened { at, opened, .. } => {
                let torn =
                    opened.torn.map_or_else(String::new, |torn| format!("; cut {} unfinished bytes", torn.bytes));
                (
                    at,
                    "the master".to_owned(),
                    format!("begins to write, version {}{torn}", opened.version),
                    String::new(),
                )
            }
            Told::Lost { at, lost, .. } => {
                let lost = format!("has no record of {} requests and {} ends", lost.requests, lost.ends);
                (at, "the master".to_owned(), lost, String::new())
            }
        };
        let when = jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap_or_default()).unwrap_or_default();
        table.add_row([told.record().to_string(), format!("{when:.0}"), who, what, answer]);
    }
    table.to_string()
}

fn who(start: &Start) -> String {
    let who = &start.who;
    let name = match who.kind {
        Caller::Unknown => format!("unknown, from {}", start.peer.ip()),
        Caller::Master => "the master".to_owned(),
        Caller::Person => format!("{} {}", short(&who.user), who.tier.map_or("", daas_types::Tier::as_str)),
        Caller::Node | Caller::ServiceAccount => who.user.clone().into_owned(),
    };
    let as_whom = if who.acting_as.is_empty() { String::new() } else { format!(" as {}", who.acting_as) };
    one_line(&format!("{}{as_whom}", name.trim_end()))
}

fn what(start: &Start) -> String {
    let (what, target) = (&start.what, start.what.target());
    if target.resource.is_empty() {
        return one_line(&format!("{} {}", what.method(), what.path()));
    }
    let below = if target.subresource.is_empty() { String::new() } else { format!("/{}", target.subresource) };
    let name = [&target.namespace, &target.name].into_iter().filter(|part| !part.is_empty());
    let name = name.map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
    one_line(format!("{} {}{below} {name}", target.verb, target.resource).trim_end())
}

fn answer(end: Option<&End<'_>>) -> String {
    let Some(end) = end else { return "no end is recorded".to_owned() };
    let status = if end.status == 0 { String::new() } else { end.status.to_string() };
    one_line(format!("{status} {}", end.reason).trim())
}
