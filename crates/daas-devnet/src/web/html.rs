//! The pages as HTML. Whatever comes from the ledger or from a request goes through the templates' escaping.

use super::page::{
    Checkpoint, CheckpointRow, EventRow, Faults, List, Object, ObjectRow, Overview, Owner, Page, Transaction,
    TransactionRow,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const LINKS: [(&str, &str); 6] = [
    ("/", "Network"),
    ("/checkpoints", "Checkpoints"),
    ("/transactions", "Transactions"),
    ("/events", "Events"),
    ("/objects", "Objects"),
    ("/faults", "Faults"),
];

pub(super) fn document(page: &Page) -> Markup {
    match page {
        Page::Overview(page) => frame("Network", "/", &overview(page)),
        Page::Checkpoints(list) => frame("Checkpoints", "/checkpoints", &paged(&checkpoints(&list.rows), list)),
        Page::Checkpoint(page) => {
            frame(&format!("Checkpoint {}", page.row.sequence), "/checkpoints", &checkpoint(page))
        }
        Page::Transactions(list) => frame("Transactions", "/transactions", &paged(&transactions(&list.rows), list)),
        Page::Transaction(page) => frame("Transaction", "/transactions", &transaction(page)),
        Page::Events(list) => frame("Events", "/events", &paged(&events(&list.rows), list)),
        Page::Objects(list) => frame("Objects", "/objects", &paged(&objects(&list.rows), list)),
        Page::Object(page) => frame("Object", "/objects", &object(page)),
        Page::Faults(page) => frame("Faults", "/faults", &faults(page)),
    }
}

pub(super) fn absent(why: &str) -> Markup {
    frame("Nothing here", "", &html! { p { (why) } })
}

fn frame(title: &str, here: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Sui devnet" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    nav {
                        @for (to, name) in LINKS {
                            a href=(to) aria-current=[(to == here).then_some("page")] { (name) }
                        }
                    }
                }
                main { h1 { (title) } (content) }
                footer { "Every page is JSON too: add " code { ".json" } ", or ask for " code { "application/json" } "." }
            }
        }
    }
}

fn paged<T>(rows: &Markup, list: &List<T>) -> Markup {
    html! {
        @if list.rows.is_empty() { p { "None." } } @else { (rows) }
        @if let Some(next) = &list.next { p.next { a href=(next) { "Further →" } } }
    }
}

fn overview(page: &Overview) -> Markup {
    html! {
        dl {
            (row("Chain", &id(&page.chain)))
            (row("Epoch", &html! { (page.epoch) }))
            (row("Clock", &html! { (time(page.clock.now_ms)) @if page.clock.manual { " (stands still)" } }))
            (row("Transactions", &html! { (page.transactions) }))
            (row("Faults", &html! { a href="/faults" { (page.faults) } }))
        }
        h2 { "Latest checkpoints" }
        (checkpoints(&page.latest_checkpoints))
        h2 { "Latest transactions" }
        (transactions(&page.latest_transactions))
    }
}

fn checkpoints(rows: &[CheckpointRow]) -> Markup {
    html! {
        table {
            thead { tr { th { "Number" } th { "Time" } th { "Epoch" } th { "Transactions" } th { "Digest" } } }
            tbody {
                @for c in rows {
                    tr {
                        td { a href={ "/checkpoints/" (c.sequence) } { (c.sequence) } }
                        td { (time(c.timestamp_ms)) }
                        td { (c.epoch) @if c.end_of_epoch { " ends" } }
                        td { (c.transactions) }
                        td { (id(&c.digest)) }
                    }
                }
            }
        }
    }
}

fn checkpoint(page: &Checkpoint) -> Markup {
    let row_ = &page.row;
    html! {
        dl {
            (row("Digest", &id(&row_.digest)))
            (row("Time", &time(row_.timestamp_ms)))
            (row("Epoch", &html! { (row_.epoch) }))
            @if let Some(previous) = &page.previous_digest {
                (row("Previous", &link("/checkpoints/", previous)))
            }
            (row("Contents", &id(&page.content_digest)))
            (row("Transactions so far", &html! { (page.network_total_transactions) }))
            (row("Signature", &id(&page.signature)))
            @for member in page.next_committee.iter().flatten() {
                (row("Next committee", &id(member)))
            }
        }
        h2 { "Transactions" }
        @if page.contents.is_empty() { p { "None." } } @else { (transactions(&page.contents)) }
    }
}

fn transactions(rows: &[TransactionRow]) -> Markup {
    html! {
        table {
            thead { tr { th { "Digest" } th { "Time" } th { "Checkpoint" } th { "Sender" } th { "What" } th { "Events" } } }
            tbody {
                @for t in rows {
                    tr {
                        td { (link("/transactions/", &t.digest)) }
                        td { (time(t.timestamp_ms)) }
                        td { a href={ "/checkpoints/" (t.checkpoint) } { (t.checkpoint) } }
                        td { (address(&t.sender)) }
                        td { (t.summary) @if !t.success { " " span.bad { "failed" } } }
                        td { (t.events) }
                    }
                }
            }
        }
    }
}

fn transaction(page: &Transaction) -> Markup {
    let of = &page.row;
    html! {
        dl {
            (row("Digest", &id(&of.digest)))
            (row("Time", &time(of.timestamp_ms)))
            (row("Checkpoint", &html! { a href={ "/checkpoints/" (of.checkpoint) } { (of.checkpoint) } }))
            (row("Epoch", &html! { (page.epoch) }))
            (row("Sender", &address(&of.sender)))
            (row("Gas paid by", &address(&page.gas_owner)))
            (row("Gas, MIST", &html! {
                (page.gas.computation) " computation, " (page.gas.storage) " storage, " (page.gas.rebate)
                " rebate, of a budget of " (page.gas.budget)
            }))
            @if let Some(error) = &page.error { (row("Failed", &html! { span.bad { (error) } })) }
        }
        (numbered("Inputs", &page.inputs))
        (numbered("Commands", &page.commands))
        h2 { "Objects" }
        table {
            thead { tr { th { "Object" } th { "Version" } th { "" } th { "Type" } } }
            tbody {
                @for c in &page.changed_objects {
                    tr {
                        td { (version_link(&c.id, c.version)) }
                        td { @if let Some(version) = c.version { (version) } }
                        td { (c.operation) }
                        td.long { @if let Some(of) = &c.object_type { (of) } }
                    }
                }
            }
        }
        @if !page.balance_changes.is_empty() {
            h2 { "Balances" }
            table {
                thead { tr { th { "Address" } th { "Coin" } th { "Amount" } } }
                tbody {
                    @for b in &page.balance_changes {
                        tr { td { (address(&b.address)) } td.long { (b.coin_type) } td { (b.amount) } }
                    }
                }
            }
        }
        @if !page.emitted.is_empty() { h2 { "Events" } (events(&page.emitted)) }
    }
}

fn events(rows: &[EventRow]) -> Markup {
    html! {
        @for e in rows {
            article {
                h3.long { (e.event_type) }
                p {
                    (time(e.timestamp_ms)) ", by " (address(&e.sender)) ", event " (e.index) " of "
                    (link("/transactions/", &e.transaction))
                }
                (value(e.json.as_ref(), Some(&e.bcs)))
            }
        }
    }
}

fn objects(rows: &[ObjectRow]) -> Markup {
    html! {
        table {
            thead { tr { th { "Object" } th { "Version" } th { "Type" } th { "Owner" } th { "MIST" } } }
            tbody {
                @for o in rows {
                    tr {
                        td { (link("/objects/", &o.id)) }
                        td { (o.version) }
                        td.long { (o.object_type) }
                        td { (owner(&o.owner)) }
                        td { @if let Some(balance) = &o.balance { (balance) } }
                    }
                }
            }
        }
    }
}

fn object(page: &Object) -> Markup {
    let of = &page.row;
    html! {
        dl {
            (row("Object", &id(&of.id)))
            (row("Type", &html! { span.long { (of.object_type) } }))
            (row("Version", &html! {
                (of.version)
                @if let Some(earlier) = page.earlier_version {
                    ", before it " a href={ "/objects/" (of.id) "?version=" (earlier) } { (earlier) }
                }
            }))
            (row("Owner", &owner(&of.owner)))
            @if let Some(balance) = &of.balance { (row("Balance, MIST", &html! { (balance) })) }
            (row("Digest", &id(&page.digest)))
            (row("Written by", &link("/transactions/", &page.previous_transaction)))
            @if !page.modules.is_empty() { (row("Modules", &html! { (page.modules.join(", ")) })) }
        }
        @if page.bcs.is_some() { h2 { "Contents" } (value(page.json.as_ref(), page.bcs.as_deref())) }
        @if !page.fields.is_empty() { h2 { "Dynamic fields" } (objects(&page.fields)) }
    }
}

fn faults(page: &Faults) -> Markup {
    html! {
        @if page.faults.is_empty() { p { "None: the network does what it should." } }
        @for fault in &page.faults {
            article {
                h3 { "Fault " (fault.id) }
                (value(serde_json::to_value(fault).ok().as_ref(), None))
            }
        }
        p { "They come and go with " code { "k3s-daas-devnet control fault" } "." }
    }
}

/// The value as JSON, or its bytes if nobody knows its type.
fn value(json: Option<&serde_json::Value>, bcs: Option<&str>) -> Markup {
    match (json, bcs) {
        (Some(json), _) => html! { pre { (format!("{json:#}")) } },
        (None, Some(bcs)) => html! { p { "BCS, base64:" } pre { (bcs) } },
        (None, None) => html! {},
    }
}

fn row(name: &str, content: &Markup) -> Markup {
    html! { dt { (name) } dd { (content) } }
}

fn numbered(title: &str, texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            h2 { (title) }
            ol start="0" { @for text in texts { li.long { (text) } } }
        }
    }
}

fn time(ms: u64) -> Markup {
    let known = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    html! { @match known { Some(time) => time { (time) }, None => { (ms) " ms" } } }
}

/// Shortened by the style where there is no room.
fn id(text: &str) -> Markup {
    html! { code.id title=(text) { (text) } }
}

fn link(to: &str, text: &str) -> Markup {
    html! { a href={ (to) (text) } { (id(text)) } }
}

fn version_link(object: &str, version: Option<u64>) -> Markup {
    match version {
        Some(version) => html! { a href={ "/objects/" (object) "?version=" (version) } { (id(object)) } },
        None => id(object),
    }
}

fn address(text: &str) -> Markup {
    html! { a href={ "/objects?owner=" (text) } { (id(text)) } }
}

fn owner(owner: &Owner) -> Markup {
    match (owner.kind, &owner.address) {
        ("object", Some(parent)) => html! { "field of " (link("/objects?parent=", parent)) },
        (_, Some(of)) => address(of),
        (kind, None) => html! { (kind) },
    }
}
