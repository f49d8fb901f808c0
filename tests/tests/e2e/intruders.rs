//! Tokens that are none, stakes that are too small or torn, and a master that is not what the chain allows.

use crate::support::cluster::Cluster;
use crate::support::commands::{refused, run, succeed};
use crate::support::person::Person;
use crate::support::{eventually, processes, say, scenario, step};
use anyhow::{Context as _, Result, bail, ensure};
use daas_chain::clock;
use daas_chain::ops::{Ops, Pcrs, SealSpec, StakeSpec};
use daas_chain::wallet::Wallet;
use daas_client::SealFile;
use daas_types::pop::Usage;
use daas_types::{Address, ClusterId, Mist, Permissions, UnixMs};
use nix::sys::signal::Signal;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::time::timeout;

const HOUR: Duration = Duration::from_hours(1);
/// A killed devnet is back within this, its restarts' growing delay included.
const RESTARTED: Duration = Duration::from_mins(1);
/// A master that may register again has done so within this.
const REGISTERED: Duration = Duration::from_secs(20);
/// Milliseconds into a stake, which takes some ten.
const TORN: [u64; 5] = [2, 4, 6, 8, 12];

#[test]
fn intruders() {
    scenario("bad input to a running cluster", Duration::from_mins(4), async {
        let cluster = Cluster::up().await?;
        let operator = SealFile::load(&cluster.state().join("operator-seal.json"))?;
        step("tokens that are none", bad_tokens(&cluster, &operator)).await?;
        step("a copied locator and commitment", copied_seal(&cluster, &operator)).await?;
        step("a stake below the minimum", async {
            let poor = cluster.person("poor");
            succeed(poor.daas(&["faucet"])).await?;
            let ran = refused(poor.daas(&["stake", "0.4"]), &["D206", "0.5"]).await?;
            ensure!(ran.code == 3, "exit code {}", ran.code);
            refused(poor.daas(&["kubeconfig", "--output", "kubeconfig"]), &["D211"]).await.map(drop)
        })
        .await?;
        step("the operator's node, joined again", async {
            refused(cluster.daas(&["join", "--node-id", "operator"]), &["D207", "operator's own node"]).await
        })
        .await?;
        for (round, moment) in TORN.into_iter().enumerate() {
            let moment = Duration::from_millis(moment);
            step(&format!("devnet killed {moment:?} into a stake"), torn_stake(&cluster, round, moment)).await?;
        }
        step("a measurement that is not allowed", revoked_measurement(&cluster)).await?;
        step("down", cluster.down()).await?;
        step("a changed master", changed_master(&cluster)).await?;
        cluster.finish().await
    });
}

async fn bad_tokens(cluster: &Cluster, operator: &SealFile) -> Result<()> {
    let now = clock::now();
    let mint = |seal: &SealFile, at: UnixMs| seal.mint(Usage::User, at).map(|token| token.to_string());
    let good = mint(operator, now)?;
    let mut foreign = operator.clone();
    foreign.cluster = ClusterId(Address::from_static("0x7"));
    let object = operator.seal.context("the operator's Seal must be minted")?.to_string();
    let cases = [
        ("random", "ab".repeat(32), "TokenUnknown"),
        ("a Sui object id", object.clone(), "TokenMalformed"),
        ("the same, bare", object.trim_start_matches("0x").to_owned(), "TokenUnknown"),
        ("truncated", good[..good.len() - 1].to_owned(), "TokenMalformed"),
        ("cut in half", good[..good.len() / 2].to_owned(), "TokenMalformed"),
        ("expired", mint(operator, UnixMs(now.0 - 3_600_000))?, "TokenExpired"),
        ("from the future", mint(operator, UnixMs(now.0 + 3_600_000))?, "TokenExpired"),
        ("of another cluster", mint(&foreign, now)?, "TokenForeign"),
        ("words", "let-me-in".to_owned(), "TokenMalformed"),
    ];
    for (what, token, reason) in cases {
        match cluster.ask(&token).await {
            Err(kube::Error::Api(status)) => {
                ensure!(status.code == 401 && status.reason == reason, "{what}: {status:?} instead of {reason}");
                ensure!(!status.message.contains(&token), "{what}: the message repeats the token");
            }
            other => bail!("{what}: {other:?} instead of {reason}"),
        }
    }
    let long = cluster.ask(&"ab".repeat(5 << 20)).await;
    ensure!(long.is_err(), "10 MB of token were taken");
    cluster.ask(&good).await.context("the good token, after all that")?;
    Ok(())
}

/// Someone else's Seal, minted anew: it opens nothing, and does not get in the way of the one it was copied from.
async fn copied_seal(cluster: &Cluster, operator: &SealFile) -> Result<()> {
    let thief = cluster.person("thief");
    succeed(thief.daas(&["faucet"])).await?;
    let info = cluster.info()?;
    let ops = Ops::new(info.chain().await?, Wallet::load(&thief.wallet_path())?);
    let (locator, commitment) = (operator.locator(), operator.commitment());
    let seal = SealSpec { permissions: Permissions::USER, locator, commitment, session: None, lifetime: HOUR };
    let spec = StakeSpec { amount: Mist::from_sui(1), salt: 1, node_id: None, seal };
    let copied = ops.stake_and_mint_seal(&info.ids(), &spec).await?;
    ensure!(copied.position.position != operator.position, "a position of the thief's own was expected");
    let secret = operator.secret().expose_hex();
    cluster.ask(&secret).await.context("the secret, after its Seal was copied")?;
    let who = cluster.operator().get(&["auth", "whoami", "-o=jsonpath={.status.userInfo.username}"]).await?;
    ensure!(who.contains(&operator.owner.to_string()), "the operator is {who}");
    Ok(())
}

/// The network dies at some point of a stake. The same command again finishes it, and pays once.
async fn torn_stake(cluster: &Cluster, round: usize, moment: Duration) -> Result<()> {
    let person = cluster.person(&format!("torn-{round}"));
    eventually(RESTARTED, async || succeed(person.daas(&["faucet"])).await).await?;
    let mut first = stake(&person).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let devnet =
        processes::find_doing("k3s-daas-devnet", "serve", &cluster.state()).context("the devnet does not run")?;
    let done = timeout(moment, first.wait()).await.is_ok();
    processes::signal(devnet, Signal::SIGKILL)?;
    let ended = timeout(RESTARTED, first.wait()).await.context("the torn stake does not end")??;
    say(&format!("    the stake {} with {ended}", if done { "was over" } else { "ended" }));
    eventually(RESTARTED, async || {
        let again = run(stake(&person)).await?;
        ensure!(again.code == 0 || again.stderr.contains("D213"), "{}", again.said());
        Ok(())
    })
    .await?;
    let (info, owner) = (cluster.info()?, person.seal()?.owner);
    let positions = info.chain().await?.positions(&info.ids()).await?;
    let own: Vec<_> = positions.iter().filter(|position| position.owner == owner).collect();
    ensure!(own.len() == 1 && own[0].active == Mist::from_sui(1), "positions: {own:?}");
    ensure!(own[0].seals.iter().any(|seal| Some(seal.id) == person.seal().ok().and_then(|s| s.seal)), "no Seal");
    Ok(())
}

fn stake(person: &Person) -> tokio::process::Command {
    let mut command = person.daas(&["stake", "1", "--seal"]);
    command.arg(person.seal_path());
    command
}

/// What the chain no longer allows is not verified, and is again once it is allowed.
async fn revoked_measurement(cluster: &Cluster) -> Result<()> {
    let info = cluster.info()?;
    let wallet = Wallet::load(&cluster.state().join("wallets/operator.key"))?;
    let ops = Ops::new(info.chain().await?, wallet);
    succeed(cluster.daas(&["verify"])).await?;
    let nautilus = info.masters().await?.nautilus;
    let allowed = nautilus.measurements.into_iter().next().context("no measurement is allowed")?;
    let pcr = |bytes: &[u8]| <[u8; 48]>::try_from(bytes);
    let pcrs = Pcrs { pcr0: pcr(&allowed.pcr0)?, pcr1: pcr(&allowed.pcr1)?, pcr2: pcr(&allowed.pcr2)? };
    ops.revoke_measurement(&info.ids(), &pcrs.pcr0).await?;
    let ran = refused(cluster.daas(&["verify"]), &["D30"]).await?;
    ensure!(ran.code == 3, "exit code {}", ran.code);
    ops.announce_measurement(&info.ids(), &pcrs).await?;
    ops.activate_measurement(&info.ids(), &pcrs.pcr0).await?;
    // The master was taken off the list with its measurement, and registers anew by itself.
    eventually(REGISTERED, async || succeed(cluster.daas(&["verify"])).await.map(drop)).await
}

/// One byte more, and `up` refuses to start it; the operator has to say that the change was meant.
async fn changed_master(cluster: &Cluster) -> Result<()> {
    OpenOptions::new().append(true).open(cluster.program("k3s-daas-master"))?.write_all(b"x")?;
    let ran = refused(cluster.daas(&["up"]), &["D301", "--allow-measurement"]).await?;
    ensure!(ran.code == 3, "exit code {}", ran.code);
    cluster.nothing_left().await
}
