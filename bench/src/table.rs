//! The rounds as Markdown: rates, ratios and latencies of each case.

use crate::cases::{Case, HUGE_CASES, MILLION, Operation, TEN_MILLION};
use crate::report::{Section, Target};
use crate::rounds::{Measured, Sample};
use crate::stats::{median, spread};
use crate::wrk::Load;

/// What rates at ten million contacts are to keep of those at one million.
const HUGE_CREATES_KEEP: f64 = 0.8;
const HUGE_READS_KEEP: f64 = 0.9;

impl Measured {
    /// The median over the rounds of one figure.
    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure))
    }

    fn with_spread(&self, digits: usize, figure: impl Fn(&Sample) -> f64) -> String {
        let (least, most) = spread(self.samples.iter().map(&figure));
        let median = self.median(figure);
        format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }

    fn latencies(&self, of: impl Fn(&Sample) -> Load) -> String {
        let figures = [
            self.median(|sample| of(sample).p50_ms),
            self.median(|sample| of(sample).p99_ms),
            self.median(|sample| of(sample).p999_ms),
        ];
        figures.map(|figure| format!("{figure:.2}")).join(" / ")
    }

    fn note(&self) -> String {
        let unsteady = self.samples.iter().filter(|sample| sample.unsteady).count();
        let loads = self.samples.iter().flat_map(|sample| &sample.servers);
        let refused: u64 = loads.map(|load| load.refused).sum();
        let mut notes = Vec::new();
        if refused > 0 {
            notes.push(format!("{refused} answered 503"));
        }
        if self.thrown_away > 0 {
            notes.push(format!("{} thrown away", self.thrown_away));
        }
        if unsteady > 0 {
            notes.push(format!("{unsteady} unsteady"));
        }
        notes.join(", ")
    }
}

/// The rates and latencies of all cases.
pub(crate) fn sections(measured: &[Measured]) -> Vec<Section> {
    let mut targets = Vec::new();
    for measured in measured {
        let name = measured.case.name();
        if let Some(wanted) = measured.case.ratio_target() {
            let ratio = measured.median(Sample::ratio);
            targets.push(Target::at_least(
                format!("`{name}`, rate to baseline"),
                ratio,
                wanted,
            ));
        }
        if let Some(wanted) = measured.case.p99_target() {
            let ratio = measured.median(Sample::p99_ratio);
            targets.push(Target::at_most(
                format!("`{name}`, p99 to baseline"),
                ratio,
                wanted,
                "times",
            ));
        }
    }
    vec![
        Section {
            title: "Rates".to_owned(),
            text: rates(measured),
            targets,
        },
        Section {
            title: "Latencies".to_owned(),
            text: latencies(measured),
            targets: Vec::new(),
        },
    ]
}

fn rates(measured: &[Measured]) -> String {
    let second = measured.iter().any(|measured| {
        measured
            .samples
            .iter()
            .any(|sample| sample.servers.len() > 1)
    });
    let mut text =
        "Requests a second: median (least–most of the rounds). A name is the operation, \
        the connections and the contacts.\n\n\
        | case | server | baseline | ratio | target | | items/s | note |"
            .to_owned();
    text += if second { " server B | B/A |\n" } else { "\n" };
    text += "|---|---|---|---|---|---|---|---|";
    text += if second { "---|---|\n" } else { "\n" };
    for measured in measured {
        let ratio = measured.median(Sample::ratio);
        let (target, word) = measured.case.ratio_target().map_or_else(
            || ("–".to_owned(), ""),
            |wanted| {
                (
                    format!("{wanted:.2}"),
                    Target::at_least("", ratio, wanted).word(),
                )
            },
        );
        let items = measured.case.operation.items().map_or_else(
            || "–".to_owned(),
            |items| {
                format!(
                    "{:.0}",
                    items as f64 * measured.median(|sample| sample.servers[0].rate)
                )
            },
        );
        text += &format!(
            "| `{}` | {} | {} | {} | {target} | {word} | {items} | {} |",
            measured.case.name(),
            measured.with_spread(0, |sample| sample.servers[0].rate),
            measured.with_spread(0, |sample| sample.baseline.rate),
            measured.with_spread(3, Sample::ratio),
            measured.note(),
        );
        if second {
            text += &format!(
                " {} | {} |",
                measured.with_spread(0, |sample| sample.servers[1].rate),
                measured.with_spread(3, |sample| sample.second_ratio().unwrap_or(f64::NAN)),
            );
        }
        text += "\n";
    }
    text
}

fn latencies(measured: &[Measured]) -> String {
    let mut text = "Milliseconds at p50 / p99 / p99.9, closed loop, medians of the rounds.\n\n\
        | case | server | baseline | p99 to baseline | target | |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for measured in measured {
        let ratio = measured.median(Sample::p99_ratio);
        let (target, word) = measured.case.p99_target().map_or_else(
            || ("–".to_owned(), ""),
            |wanted| {
                (
                    format!("{wanted:.1}"),
                    Target::at_most("", ratio, wanted, "").word(),
                )
            },
        );
        text += &format!(
            "| `{}` | {} | {} | {} | {target} | {word} |\n",
            measured.case.name(),
            measured.latencies(|sample| sample.servers[0]),
            measured.latencies(|sample| sample.baseline),
            measured.with_spread(2, Sample::p99_ratio),
        );
    }
    text
}

/// What ten million contacts keep of the rates at one million, round by round.
pub(crate) fn huge_section(measured: &[Measured]) -> Section {
    let mut section = Section {
        title: "Ten million to one million".to_owned(),
        text: "| operation | rate kept (least–most) | target | |\n|---|---|---|---|\n".to_owned(),
        targets: Vec::new(),
    };
    let of = |case: Case, contacts| {
        measured
            .iter()
            .find(|measured| measured.case == Case { contacts, ..case })
    };
    for case in HUGE_CASES
        .into_iter()
        .filter(|case| case.contacts == MILLION)
    {
        let (Some(million), Some(huge)) = (of(case, MILLION), of(case, TEN_MILLION)) else {
            continue;
        };
        let pairs = huge.samples.iter().zip(&million.samples);
        let kept: Vec<f64> = pairs
            .map(|(huge, million)| huge.servers[0].rate / million.servers[0].rate)
            .collect();
        let wanted = match case.operation {
            Operation::Create => HUGE_CREATES_KEEP,
            _ => HUGE_READS_KEEP,
        };
        let (least, most) = spread(kept.iter().copied());
        let name = case.operation.name();
        let kept = median(kept);
        let target = Target::at_least(format!("`{name}` at 10,000,000 to 1,000,000"), kept, wanted);
        section.text += &format!(
            "| `{name}` | {kept:.3} ({least:.3}–{most:.3}) | {wanted:.2} | {} |\n",
            target.word()
        );
        section.targets.push(target);
    }
    section
}
