//! The engine's programs: found, or built once, with a bar while that lasts.

use crate::context::Context;
use crate::output::done;
use daas_engine::build::{self, Binaries, BuildError, Progress};
use daas_engine::{Engine, EngineError, k3s};
use daas_types::{ErrorCode, Problem};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
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
            let from = k3s::locate().ok().flatten().unwrap_or_default();
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
        Engine::K3s => Problem::of(ErrorCode::K3sMissing)(k3s::K3sError::NotFound),
    })
}

/// Builds the Kubernetes programs if they are not in the cache.
pub(crate) async fn build(context: &Context) -> Result<(), Problem> {
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
