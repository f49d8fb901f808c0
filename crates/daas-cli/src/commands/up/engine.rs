//! The engine's programs: found, or built or fetched once, with a bar while that lasts.

use crate::cli::EngineArgs;
use crate::context::Context;
use crate::output::done;
use daas_engine::build::{self, Binaries, BuildError, Program, Progress};
use daas_engine::k3s::{FetchError, K3sError, Release};
use daas_engine::{Engine, EngineError, k3s};
use daas_types::{ErrorCode, Problem};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::time::Duration;

/// The engine's programs are there after this.
pub(super) async fn ensure(context: &Context, engine: Engine) -> Result<(), Problem> {
    match engine {
        Engine::Kubernetes => {
            build(context).await?;
            context.output.note(format!("engine: {engine}, {}", build::KUBERNETES_VERSION));
            Ok(())
        }
        Engine::K3s => {
            let programs = programs(engine).await?;
            let cache = build::default_cache_dir().map_err(problem)?;
            let from = k3s::locate(Some(&cache)).ok().flatten().unwrap_or_default();
            let sha256 = programs.manifest().split(' ').next().unwrap_or_default();
            let version = programs.version();
            context.output.note(format!("engine: {engine}, {version} of {}, sha256 {sha256}", from.display()));
            Ok(())
        }
    }
}

/// The engine's programs, which have to be there.
pub(crate) async fn programs(engine: Engine) -> Result<Binaries, Problem> {
    let cache = build::default_cache_dir().map_err(problem)?;
    let found = engine.find_programs(&cache).await.map_err(|error| match error {
        EngineError::Build(error) => problem(error),
        other => Problem::of(ErrorCode::K3sMissing)(other),
    })?;
    found.ok_or_else(|| match engine {
        Engine::Kubernetes => Problem::new(ErrorCode::EngineBuildFailed, "the engine is not built"),
        Engine::K3s => Problem::of(ErrorCode::K3sMissing)(K3sError::NotFound),
    })
}

/// Builds the Kubernetes programs if they are not in the cache.
async fn build(context: &Context) -> Result<(), Problem> {
    let cache = build::default_cache_dir().map_err(problem)?;
    if build::find(&cache).await.map_err(problem)?.is_some() {
        return Ok(());
    }
    context.output.note(format!("building Kubernetes once, into {} (about 8 minutes on 2 cores)", cache.display()));
    let bar = Bar::new(context.output.is_json());
    let built = build::ensure(&cache, &mut |progress| bar.show(progress)).await;
    bar.0.finish_and_clear();
    built.map_err(problem)?;
    context.output.note(done("Kubernetes is built"));
    Ok(())
}

/// What `k3s-daas engine` does.
pub(crate) async fn run(context: &Context, args: &EngineArgs) -> Result<(), Problem> {
    match &args.k3s {
        None => build(context).await,
        Some(release) => fetch(context, args, release).await,
    }
}

/// Fetches a release of K3s: never but when it is typed.
async fn fetch(context: &Context, args: &EngineArgs, release: &Release) -> Result<(), Problem> {
    let cache = build::default_cache_dir().map_err(problem)?;
    context.output.note(format!("fetching K3s {} from {}", release.version(), args.k3s_releases));
    let bar = Bar::new(context.output.is_json());
    let fetched = k3s::fetch(release, &args.k3s_releases, &cache, &mut |progress| bar.show(progress)).await;
    bar.0.finish_and_clear();
    let programs = fetched.map_err(of_k3s)?;
    let (path, version) = (programs.path(Program::K3s), programs.version());
    let sha256 = programs.manifest().split(' ').next().unwrap_or_default();
    let first = k3s::locate(Some(&cache)).ok().flatten().filter(|first| *first != path);
    let mut text = done(format!("K3s {version}, sha256 {sha256}, {}", path.display()));
    if let Some(first) = &first {
        text = format!("{text}\n  but K3S_BIN or PATH has another, which goes before it: {}", first.display());
    }
    let value = json!({ "version": version, "sha256": sha256, "path": path, "before_it": first });
    context.output.result(text, &value);
    Ok(())
}

fn of_k3s(error: K3sError) -> Problem {
    let code = match &error {
        K3sError::Build(_) | K3sError::File(_) => ErrorCode::StateUnreadable,
        K3sError::Fetch(error) => match error {
            FetchError::NoCurl => ErrorCode::ToolMissing,
            FetchError::Network { .. } => ErrorCode::NetworkNeeded,
            FetchError::Checksum { .. } => ErrorCode::ChecksumWrong,
            FetchError::DiskFull { .. } => ErrorCode::DiskFull,
            FetchError::BadPlace { .. } => ErrorCode::ConfigInvalid,
            FetchError::NoRelease { .. }
            | FetchError::TooOld { .. }
            | FetchError::NoMachine { .. }
            | FetchError::NotThere { .. }
            | FetchError::TooLong { .. }
            | FetchError::NoChecksum { .. }
            | FetchError::OtherVersion { .. } => ErrorCode::ReleaseMissing,
        },
        _ => ErrorCode::K3sMissing,
    };
    Problem::of(code)(error)
}

struct Bar(ProgressBar);

// === impl Bar ===

impl Bar {
    fn new(quiet: bool) -> Self {
        let bar = ProgressBar::new_spinner();
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len} [{elapsed}]");
        bar.set_style(style.expect("the template is constant and must parse"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn show(&self, progress: Progress) {
        match progress {
            Progress::WaitingForOther => self.0.set_message("another build of the same runs; waiting for it"),
            Progress::Fetching => self.0.set_message("fetching sources"),
            Progress::Compiling { done, total } => {
                self.0.set_message("compiling");
                self.0.set_length(u64::try_from(total).unwrap_or(0));
                self.0.set_position(u64::try_from(done).unwrap_or(0));
            }
            Progress::Downloading { bytes } => self.0.set_message(format!("{} MB", bytes / 1_000_000)),
            Progress::Hashing => self.0.set_message("hashing"),
        }
    }
}

pub(crate) fn problem(error: BuildError) -> Problem {
    let code = match &error {
        BuildError::NoGo { .. } | BuildError::GoTooOld { .. } => ErrorCode::GoMissing,
        BuildError::NoCompiler => ErrorCode::ToolMissing,
        BuildError::NoNetwork { .. } => ErrorCode::NetworkNeeded,
        BuildError::DiskFull { .. } => ErrorCode::DiskFull,
        BuildError::Compile { .. } | BuildError::Altered { .. } => ErrorCode::EngineBuildFailed,
        BuildError::File(_) | BuildError::NoCacheFolder => ErrorCode::StateUnreadable,
    };
    Problem::of(code)(error)
}
