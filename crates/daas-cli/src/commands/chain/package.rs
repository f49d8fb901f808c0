//! The contract's code: published, upgraded, and compared with what was compiled.

mod provenance;

use super::Counter;
use crate::cli::chain::{DisplayArgs, PackageFile, UpgradeArgs, VerifyPackageArgs};
use crate::contract;
use crate::output::{done, failed};
use crate::sending::receipt;
use daas_chain::ops::{CompiledPackage, MovePackage, UpgradeSpec, compare_package, published_package};
use daas_types::{ErrorCode, PackageId, Problem};
use serde_json::json;

pub(super) async fn publish(counter: &Counter<'_>, file: &PackageFile) -> Result<(), Problem> {
    let package = compiled(file)?;
    let ops = counter.ops()?;
    let what = format!("publish the package (digest {}…)", package.digest.get(..16).unwrap_or_default());
    let Some((id, outcome)) = counter.send(&what, ops.publish(&package)).await? else {
        return Ok(());
    };
    let cap = outcome.created("package", "UpgradeCap");
    let typed = &counter.place.typed;
    let text = format!(
        "{}\n  {} holds its UpgradeCap{}\n\n  k3s-daas chain verify-package {id}{typed}\n  \
         k3s-daas chain init-cluster --package {id}{typed} --name NAME --proposer … --judge … --beneficiary …",
        done(format!("package {id}")),
        ops.sender(),
        cap.map(|cap| format!(" {cap}")).unwrap_or_default(),
    );
    let more = json!({ "package": id, "digest": package.digest, "upgrade_cap": cap });
    counter.sending.receipt(text, &outcome, more);
    Ok(())
}

pub(super) async fn upgrade(counter: &Counter<'_>, args: &UpgradeArgs) -> Result<(), Problem> {
    let package = compiled(&args.file)?;
    let original = counter.place.ids()?.package;
    let spec = UpgradeSpec { current: args.current.unwrap_or(original), original, cap: args.cap };
    let ops = counter.ops()?;
    let what = format!("upgrade package {} (digest {}…)", spec.current, package.digest.get(..16).unwrap_or_default());
    let Some((id, outcome)) = counter.send(&what, ops.upgrade(&package, &spec)?).await? else {
        return Ok(());
    };
    let text = format!(
        "{}\n  the cluster still runs the version before it\n\n  k3s-daas chain verify-package {id}{typed}\n  \
         k3s-daas chain migrate --code {id}{typed}",
        done(format!("package {id}")),
        typed = counter.place.typed,
    );
    counter.sending.receipt(text, &outcome, json!({ "package": id, "original": original, "digest": package.digest }));
    Ok(())
}

pub(super) async fn display(counter: &Counter<'_>, args: &DisplayArgs) -> Result<(), Problem> {
    let package = named(counter, args.id)?;
    if counter.place.client.genesis().devnet().is_some() {
        let text = done("nothing to do: a development network does not keep how wallets show things");
        counter.context.output.result(text, &receipt(None, json!({})));
        return Ok(());
    }
    let ops = counter.ops()?;
    let call = ops.create_display(package);
    counter.plain("say how wallets show Seals", call, "wallets show Seals by a name and a description").await
}

pub(super) async fn verify(counter: &Counter<'_>, args: &VerifyPackageArgs) -> Result<(), Problem> {
    let package = compiled(&args.file)?;
    let id = named(counter, args.id)?;
    let client = &counter.place.client;
    let published = published_package(client, id).await?;
    let words = differences(&package, &published);
    let others = provenance::look(client, &package, id, &published).await?;
    let trust = provenance::trust(&counter.place);
    let (modules, digest) = (package.modules.len(), &package.digest);
    let value = json!({
        "package": id, "version": published.version, "digest": digest, "same": words.is_empty(),
        "modules": modules, "differences": words, "committee_from": trust.name, "versions": others.versions,
        "upgrade_cap": others.cap,
    });
    let tail = format!("{}\n  {}", others.text, trust.text);
    let Some(first) = words.first() else {
        let head = done(format!("package {id} is the compiled one: {modules} modules, byte by byte (digest {digest})"));
        counter.context.output.result(format!("{head}{tail}"), &value);
        return Ok(());
    };
    let problem = Problem::new(ErrorCode::PackageMismatch, first);
    let head = failed(format!("package {id} is not the compiled one:\n  {}", words.join("\n  ")));
    counter.context.output.result(format!("{head}{tail}"), &value);
    Err(problem)
}

/// Where they differ, in words.
fn differences(package: &CompiledPackage, published: &MovePackage) -> Vec<String> {
    // An upgraded version holds the address of the first.
    let original = published.type_origin_table.iter().map(|origin| PackageId(origin.package));
    let compared = original.chain([PackageId(published.id)]);
    let compared = compared.map(|original| compare_package(package, published, original));
    compared.min_by_key(Vec::len).unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The one that was named, else the join file's.
fn named(counter: &Counter<'_>, id: Option<PackageId>) -> Result<PackageId, Problem> {
    id.map_or_else(|| Ok(counter.place.ids()?.package), Ok)
}

fn compiled(file: &PackageFile) -> Result<CompiledPackage, Problem> {
    let Some(path) = &file.package else {
        return contract::compiled();
    };
    let bad =
        |cause: &dyn core::fmt::Display| Problem::new(ErrorCode::ConfigInvalid, format!("{}: {cause}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| bad(&e))?;
    CompiledPackage::parse(&text).map_err(|e| bad(&e))
}
