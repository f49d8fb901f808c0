//! The wallet's key never stands in an argument or an answer: it comes from a file or a pipe, and only its address goes out.

use crate::chain::{make_folder, wallet_or_new};
use crate::cli::WalletCommand;
use crate::cli::send::SendFlags;
use crate::context::Context;
use crate::output::done;
use crate::place::{Place, sender};
use crate::sending::{Ask, Sending};
use crate::status_view::table;
use crate::sui_cli::SuiCli;
use daas_chain::wallet::{Keystore, Wallet, WalletError};
use daas_types::Problem;
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use zeroize::Zeroizing;

/// A genuine key has under 100 bytes.
const MAX: usize = 1024;

pub(crate) async fn run(context: &Context, command: &WalletCommand) -> Result<(), Problem> {
    let path = context.wallet_path()?;
    match command {
        WalletCommand::Address => {
            let address = wallet_or_new(context, &SendFlags::default())?.address();
            context.output.result(address, &json!({ "address": address, "wallet": path }));
        }
        WalletCommand::List => list(context, &path)?,
        WalletCommand::Balance { place } => {
            let (address, client) =
                (sender(context, &SendFlags::for_the_address())?.address(), Place::find(context, place).await?.client);
            let balance = client.balance(address).await?;
            let value = json!({ "address": address, "balance": balance.to_string(), "balance_mist": balance.0 });
            context.output.result(format!("{balance} SUI"), &value);
        }
        WalletCommand::Send { amount, to, place, send } => {
            let place = Place::find(context, place).await?;
            let ops = place.ops(sender(context, send)?);
            let sending = Sending::new(context, send, Ask::Always).typed(&place.typed);
            let what = format!("send {amount} SUI to {to}");
            if let Some(outcome) = sending.send(&place.client, &what, ops.transfer(*to, *amount)).await? {
                let more = json!({ "amount": amount.to_string(), "amount_mist": amount.0, "to": to });
                sending.receipt(done(format!("{amount} SUI sent to {to}")), &outcome, more);
            }
        }
        WalletCommand::Import { from } => {
            let address = import(from, &path)?.address();
            let text = done(format!("{} (0600), address {address}", path.display()));
            context.output.result(text, &json!({ "address": address, "wallet": path }));
        }
    }
    Ok(())
}

/// The keys that can be named: this program's by its file, the Sui CLI's by address or alias.
fn list(context: &Context, path: &Path) -> Result<(), Problem> {
    let own = Wallet::load(path).ok().map(|wallet| wallet.address());
    let sui = SuiCli::load()?;
    let active = sui.as_ref().and_then(SuiCli::active_address);
    let keystore = sui.map(|sui| sui.keystore()).transpose()?;
    let theirs = keystore.as_ref().map(Keystore::keys).unwrap_or_default();
    let mut shown = table(&["address", "name", "where"]);
    if let Some(address) = own {
        shown.add_row([&address.to_string(), "–", &format!("--wallet {}", path.display())]);
    }
    for key in theirs {
        let address = key.wallet.address();
        let name = key.alias.as_deref().unwrap_or("–");
        let active = if active == Some(address) { ", active" } else { "" };
        shown.add_row([&address.to_string(), name, &format!("--from {address} (the Sui CLI's{active})")]);
    }
    let theirs: Vec<_> =
        theirs.iter().map(|key| json!({ "address": key.wallet.address(), "alias": key.alias })).collect();
    let value = json!({ "wallet": own.map(|address| json!({ "address": address, "file": path })), "sui_cli": theirs,
        "active": active });
    context.output.result(shown, &value);
    Ok(())
}

/// Brings the key of `from` to `path`, where none may be yet: an overwritten key is lost money.
fn import(from: &Path, path: &Path) -> Result<Wallet, Problem> {
    let malformed = || WalletError::Malformed(from.to_owned());
    let key = if from == Path::new("-") { read(std::io::stdin().lock()) } else { File::open(from).and_then(read) };
    let key = key.map_err(|cause| WalletError::File { path: from.to_owned(), cause })?;
    let key = std::str::from_utf8(&key).map_err(|_| malformed())?.trim();
    make_folder(path)?;
    let failed = |cause| WalletError::File { path: path.to_owned(), cause };
    let folder = path.parent().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    // Made with mode 0600, and removed again unless it becomes the wallet.
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    draft.write_all(key.as_bytes()).and_then(|()| draft.write_all(b"\n")).map_err(failed)?;
    draft.as_file().sync_all().map_err(failed)?;
    let wallet = Wallet::load(draft.path()).map_err(|error| match error {
        WalletError::Malformed(_) => malformed(),
        other => other,
    })?;
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(wallet),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(WalletError::Exists(path.to_owned()).into())
        }
        Err(error) => Err(failed(error.error).into()),
    }
}

/// At most as much as a key can be, sized at once so that growing leaves no copy behind.
fn read(source: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX));
    source.take(MAX as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::ErrorCode;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn an_imported_key_is_the_same_wallet_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("theirs"), dir.path().join("config/wallet.key"));
        let theirs = Wallet::create(&from).unwrap();
        // Others may have been able to read it where it was; here nobody is.
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(import(&from, &to).unwrap().address(), theirs.address());
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Wallet::load(&to).unwrap().address(), theirs.address());
    }

    #[test]
    fn a_wallet_that_is_there_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("theirs"), dir.path().join("wallet.key"));
        Wallet::create(&from).unwrap();
        let mine = Wallet::create(&to).unwrap();
        let problem = import(&from, &to).unwrap_err();
        assert!(problem.cause.contains("already"), "{problem}");
        assert_eq!(Wallet::load(&to).unwrap().address(), mine.address());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("theirs"), dir.path().join("wallet.key"));
        for text in ["", "suiprivkey1qqqq", "correct horse battery staple", &"x".repeat(5000)] {
            std::fs::write(&from, text).unwrap();
            let problem = import(&from, &to).unwrap_err();
            assert_eq!(problem.code, ErrorCode::StateUnreadable);
            assert!(
                problem.cause.contains("theirs") && (text.is_empty() || !problem.cause.contains(text)),
                "{problem}"
            );
        }
        assert!(!to.exists());
    }
}
