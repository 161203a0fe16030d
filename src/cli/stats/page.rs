//! The page of a history: a chart for each figure. One file that needs nothing else, neither scripts nor the network.
//!
//! What has a figure at one time only is a level that the others are compared with.

use std::collections::{BTreeMap, BTreeSet};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::budget::Budget;
use super::history::History;

const STYLE: &str = include_str!("page.css");

/// Width and height of a chart, and the room around the lines, in pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Colours, which lines have in turn.
const COLOURS: usize = 8;

/// The value at each label, by index, of each thing that has a figure.
type Lines<'h> = BTreeMap<&'h str, Vec<(usize, u64)>>;

/// A figure over time.
struct Chart<'h> {
    figure: &'h str,
    lines: Lines<'h>,
    /// The largest value that is allowed.
    limit: Option<u64>,
}

/// The page.
pub(super) fn page(history: &History, budget: Option<&Budget>) -> String {
    let labels = history.labels();
    let charts = charts(history, &labels, budget);
    let names: BTreeSet<_> = history.0.iter().map(|entry| entry.name.as_str()).collect();
    let names: Vec<_> = names.into_iter().collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "klp-convert stats" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Figures" }
                @if let (Some(first), Some(last)) = (labels.first(), labels.last()) {
                    p { (labels.len()) " times, from " (first) " to " (last) }
                }
                p.names { @for (index, name) in names.iter().enumerate() {
                    span class=(format!("c{}", index % COLOURS)) { (name) } " "
                } }
                div.charts { @for chart in &charts { figure {
                    figcaption { (chart.figure) }
                    (chart.picture(&labels, &names))
                } } }
            }
        }
    };
    page.into_string() + "\n"
}

fn charts<'h>(history: &'h History, labels: &[&str], budget: Option<&Budget>) -> Vec<Chart<'h>> {
    let place: BTreeMap<_, _> = labels.iter().enumerate().map(|(at, label)| (*label, at)).collect();
    let mut lines: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    for entry in &history.0 {
        let Some(at) = place.get(entry.label.as_str()) else { continue };
        for (figure, value) in &entry.figures {
            lines.entry(figure).or_default().entry(&entry.name).or_default().push((*at, *value));
        }
    }
    let limit = |figure: &str| budget.and_then(|budget| budget.most(figure));
    let chart = |(figure, lines)| Chart { figure, lines, limit: limit(figure) };
    let mut charts: Vec<_> = lines.into_iter().map(chart).collect();
    for points in charts.iter_mut().flat_map(|chart| chart.lines.values_mut()) {
        points.sort_unstable();
    }
    charts
}

impl Chart<'_> {
    fn picture(&self, labels: &[&str], names: &[&str]) -> Markup {
        let values = self.lines.values().flatten().map(|(_, value)| *value);
        let top = values.chain(self.limit).max().unwrap_or_default().max(1);
        let last = labels.len().saturating_sub(1).max(1);
        let x = |at: usize| LEFT + (WIDTH - LEFT - 12.0) * real(at) / real(last);
        let y = |value: u64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - part(value, top));
        let points = |points: &[(usize, u64)]| {
            let points = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)));
            points.collect::<Vec<_>>().join(" ")
        };
        let colour = |name: &str| {
            let index = names.iter().position(|other| *other == name).unwrap_or_default();
            format!("c{}", index % COLOURS)
        };
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.figure) {
                @for value in BTreeSet::from([0, top / 2, top]) {
                    line.grid x1=(LEFT) x2=(WIDTH - 12.0) y1=(y(value)) y2=(y(value)) {}
                    text.value x=(LEFT - 6.0) y=(y(value) + 4.0) { (value) }
                }
                @for (at, anchor) in [(0, "start"), (labels.len().saturating_sub(1), "end")] {
                    @if let Some(label) = labels.get(at) {
                        text.label text-anchor=(anchor) x=(x(at)) y=(HEIGHT - 10.0) { (label) }
                    }
                }
                @if let Some(limit) = self.limit {
                    line.limit x1=(LEFT) x2=(WIDTH - 12.0) y1=(y(limit)) y2=(y(limit)) {
                        title { "budget: " (limit) }
                    }
                }
                @for (name, line) in &self.lines {
                    g class=(colour(name)) {
                        @if let ([(_, value)], true) = (line.as_slice(), labels.len() > 1) {
                            line.level x1=(LEFT) x2=(WIDTH - 12.0) y1=(y(*value)) y2=(y(*value)) {}
                        } @else {
                            polyline points=(points(line)) {}
                        }
                        @for (at, value) in line {
                            circle cx=(x(*at)) cy=(y(*value)) r="3" {
                                title { (name) ", " (labels.get(*at).copied().unwrap_or_default()) ": " (value) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number of labels, of which there are few.
fn real(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// What part of the largest value another one is.
fn part(value: u64, top: u64) -> f64 {
    // In millionths, which no pixel shows.
    let part = u128::from(value) * 1_000_000 / u128::from(top.max(1));
    u32::try_from(part).map_or(1.0, |part| f64::from(part) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::stats::history::Entry;

    #[test]
    fn a_chart_has_a_line_for_each_name_and_escapes_it() {
        let entry = |label: &str, name: &str, value| Entry {
            label: label.into(),
            name: name.into(),
            figures: [("memory".to_owned(), value)].into(),
        };
        let entries =
            vec![entry("v1", "<one>", 10), entry("v2", "<one>", u64::MAX), entry("v2", "two", 0)];
        let budget = Budget::parse("[all]\nmemory = 20\n").unwrap();
        let page = page(&History(entries), Some(&budget));
        assert_eq!(page.matches("<polyline").count(), 1);
        assert_eq!(page.matches("<circle").count(), 3);
        assert!(page.contains("budget: 20") && page.contains("&lt;one&gt;, v2"), "{page}");
        assert!(!page.contains("<one>") && !page.contains("http"), "{page}");
    }

    #[test]
    fn what_was_measured_once_is_a_level() {
        let entry = |label: &str, name: &str| Entry {
            label: label.into(),
            name: name.into(),
            figures: [("instructions".to_owned(), 7)].into(),
        };
        let once = page(
            &History(vec![entry("v1", "ours"), entry("v2", "ours"), entry("v2", "ld -r")]),
            None,
        );
        assert_eq!(once.matches("<polyline").count(), 1);
        assert_eq!(once.matches("class=\"level\"").count(), 1);
        let alone = page(&History(vec![entry("v1", "ours")]), None);
        assert!(!alone.contains("class=\"level\""), "{alone}");
    }

    #[test]
    fn an_empty_history_has_a_page() {
        assert!(page(&History::default(), None).contains("</html>"));
    }
}
