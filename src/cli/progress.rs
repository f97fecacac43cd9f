//! How far a synchronisation is: bars on a terminal, now and then a line elsewhere, nothing with `--quiet`.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use swamp::clock::Clock;
use swamp::path::RelPath;
use swamp::sync::{Progress, Silent, Step};

use super::output::{Output, human_size};

/// The shortest time between two lines about one step.
const LINES_APART: Duration = Duration::from_secs(5);

/// Returns what suits where stderr goes.
pub(crate) fn progress(output: Output, clock: &Arc<dyn Clock>) -> Arc<dyn Progress> {
    if output.is_quiet() {
        Arc::new(Silent)
    } else if io::stderr().is_terminal() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Lines { output, clock: Arc::clone(clock), steps: Mutex::default() })
    }
}

fn verb(step: Step) -> &'static str {
    match step {
        Step::Download => "pulling",
        Step::Upload => "pushing",
    }
}

/// One bar for each step, made when there is something to do.
#[derive(Debug, Default)]
struct Bars {
    area: MultiProgress,
    bars: Mutex<[Option<ProgressBar>; 2]>,
}

impl Bars {
    fn with_bar(&self, step: Step, work: impl FnOnce(&ProgressBar)) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let [download, upload] = &mut *bars;
        let slot = match step {
            Step::Download => download,
            Step::Upload => upload,
        };
        work(slot.get_or_insert_with(|| self.area.add(bar(step))));
    }
}

fn bar(step: Step) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(verb(step));
    // The template is ours; were it wrong, the default style does.
    let template = "{msg} {wide_bar} {human_pos}/{human_len} files, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

impl Progress for Bars {
    fn expect(&self, step: Step, files: u64, _: u64) {
        if files > 0 {
            self.with_bar(step, |bar| bar.inc_length(files));
        }
    }

    fn advance(&self, step: Step, _: &RelPath, _: u64) {
        self.with_bar(step, |bar| bar.inc(1));
    }
}

/// Plain lines, at most one in a while for each step.
#[derive(Debug)]
struct Lines {
    output: Output,
    clock: Arc<dyn Clock>,
    steps: Mutex<[Counts; 2]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    expected: u64,
    done: u64,
    bytes: u64,
    told: Option<Duration>,
}

impl Lines {
    fn count(&self, step: Step, change: impl FnOnce(&mut Counts)) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let [download, upload] = &mut *steps;
        let counts = match step {
            Step::Download => download,
            Step::Upload => upload,
        };
        change(counts);
        let now = self.clock.elapsed();
        let since = counts.told.get_or_insert(now);
        if now.saturating_sub(*since) >= LINES_APART {
            counts.told = Some(now);
            let Counts { expected, done, bytes, .. } = *counts;
            self.output.status(&format!("{}: {done} of {expected} files, {}", verb(step), human_size(bytes)));
        }
    }
}

impl Progress for Lines {
    fn expect(&self, step: Step, files: u64, _: u64) {
        self.count(step, |counts| counts.expected += files);
    }

    fn advance(&self, step: Step, _: &RelPath, bytes: u64) {
        self.count(step, |counts| {
            counts.done += 1;
            counts.bytes += bytes;
        });
    }
}
