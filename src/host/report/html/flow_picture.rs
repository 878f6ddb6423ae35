//! The picture of data flows: kind of data, program or SDK, recipient. Drawn by `kuva` as SVG text, once in each language.

use std::collections::BTreeMap;

use kuva::backend::svg::SvgBackend;
use kuva::plot::sankey::{SankeyLink, SankeyNode, SankeyPlot};
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;

use super::super::language::{escape, word};
use crate::host::correlate::observed::ObservedTuple;
use crate::host::correlate::verdict::Verdict;
use crate::host::declared_terms::DisclosureVerdict;

/// Nodes of one column; the rest is drawn as one.
const NODES: usize = 14;
/// Columns of text that a label may take; an ideograph takes two.
const LABEL: usize = 38;
const WIDTH: f64 = 980.0;
/// Room beside the picture for long labels.
const MARGIN: f64 = 100.0;
/// What the library leaves free below, for an axis that there is none of.
const BELOW: f64 = 36.0;

/// How a band is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Good,
    Unsure,
    Bad,
}

impl Tone {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unsure => "unsure",
            Self::Bad => "bad",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Good => "#4a9d74",
            Self::Unsure => "#d29a2e",
            Self::Bad => "#cf4a3f",
        }
    }
}

/// A label in both languages.
type Label = [String; 2];

pub(super) struct FlowPicture {
    /// The picture in English and in Chinese, as markup; empty when there is nothing to draw.
    pub(super) pictures: [String; 2],
}

/// Nodes of one column, the most frequent first once they are numbered.
#[derive(Default)]
struct Column {
    nodes: BTreeMap<String, (Label, u64)>,
}

impl Column {
    fn add(&mut self, key: &str, label: Label, count: u64) {
        let (_, total) = self.nodes.entry(key.to_owned()).or_insert((label, 0));
        *total = total.saturating_add(count);
    }

    /// The keys that are drawn by themselves, in order.
    fn kept(&self) -> Vec<&str> {
        let mut keys: Vec<(&str, u64)> = self.nodes.iter().map(|(key, (_, count))| (key.as_str(), *count)).collect();
        keys.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
        let keep = if keys.len() > NODES { NODES - 1 } else { keys.len() };
        keys.into_iter().take(keep).map(|(key, _)| key).collect()
    }

    fn label(&self, key: &str) -> Label {
        self.nodes.get(key).map_or_else(|| others(0), |(label, _)| label.clone())
    }
}

fn others(count: usize) -> Label {
    let (english, chinese) = word("flow.others").unwrap_or_default();
    [format!("{count} {english}"), format!("{chinese}{count}项")]
}

/// Bands by the keys of their ends: how often, and the worst of their colours.
type Bands = BTreeMap<(String, String), (u64, Tone)>;

/// How the terms stand to a row, as a colour.
pub(super) fn tone(row: &ObservedTuple) -> Tone {
    match row.disclosure.as_ref().map(|disclosure| disclosure.verdict) {
        // Whatever the terms declare: without consent nobody but the first party may have it.
        Some(_) if matches!(row.phase.as_str(), "pre_consent" | "refused") => Tone::Bad,
        Some(DisclosureVerdict::Incorrect | DisclosureVerdict::Omitted) => Tone::Bad,
        Some(DisclosureVerdict::Vague | DisclosureVerdict::Ambiguous) => Tone::Unsure,
        Some(DisclosureVerdict::Clear) | None => Tone::Good,
    }
}

/// Whether a row is a flow: it happened, and is not what every program reads.
pub(super) fn is_flow(row: &ObservedTuple) -> bool {
    row.outcome == "done" && (row.recipient.is_some() || row.disclosure.is_some())
}

pub(super) fn draw(verdict: &Verdict) -> FlowPicture {
    let mut columns = [Column::default(), Column::default(), Column::default()];
    let [kinds, actors, recipients] = &mut columns;
    let (mut reads, mut sends) = (Bands::new(), Bands::new());
    for row in verdict.tuples.iter().filter(|row| is_flow(row)) {
        let actor = actor_of(row);
        let (from, to) = (row.reads.max(1), row.sends.max(1));
        if let Some(kind) = &row.data_type {
            kinds.add(&kind.id, [kind.name_en.clone(), kind.name_zh.clone()], from);
            actors.add(&actor, [actor.clone(), actor.clone()], from);
            merge(&mut reads, (kind.id.clone(), actor.clone()), from, tone(row));
        }
        if let Some(recipient) = &row.recipient {
            let host = &recipient.host;
            let named =
                |owner: Option<&String>| owner.map_or_else(|| host.clone(), |owner| format!("{host} ({owner})"));
            let owner_zh = recipient.owner_zh.as_ref().or(recipient.owner_en.as_ref());
            recipients.add(host, [named(recipient.owner_en.as_ref()), named(owner_zh)], to);
            actors.add(&actor, [actor.clone(), actor.clone()], to);
            merge(&mut sends, (actor, host.clone()), to, tone(row));
        }
    }
    let pictures = if reads.is_empty() && sends.is_empty() {
        [String::new(), String::new()]
    } else {
        [0, 1].map(|language| picture(&columns, &reads, &sends, language))
    };
    FlowPicture { pictures }
}

/// The SDK that may have acted, marked as a guess, else the program's file name, else the app.
fn actor_of(row: &ObservedTuple) -> String {
    if let Some(sdk) = &row.actor.sdk {
        return format!("{} ?", sdk.name);
    }
    let actor = &row.actor.actor;
    match actor.program.rsplit('/').next().unwrap_or_default() {
        "" | "app_process" | "app_process32" | "app_process64" => actor.app.clone(),
        name => name.to_owned(),
    }
}

fn merge(bands: &mut Bands, ends: (String, String), count: u64, tone: Tone) {
    let (total, worst) = bands.entry(ends).or_insert((0, tone));
    *total = total.saturating_add(count);
    *worst = tone.max(*worst);
}

fn picture(columns: &[Column; 3], reads: &Bands, sends: &Bands, language: usize) -> String {
    let mut plot = SankeyPlot::new().with_per_link_colors().with_node_width(12.0);
    plot.link_opacity = 0.55;
    plot.node_gap = 14.0;
    let mut places: [BTreeMap<&str, usize>; 3] = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let mut rest: [Option<usize>; 3] = [None; 3];
    let mut tallest = 1;
    for (number, (column, (places, rest))) in columns.iter().zip(places.iter_mut().zip(rest.iter_mut())).enumerate() {
        let kept = column.kept();
        let mut node = |label: &Label| {
            let text = label.get(language).map(String::as_str).unwrap_or_default();
            plot.nodes.push(SankeyNode {
                id: plot.nodes.len().to_string(),
                label: cut(&super::super::harmless(text)),
                color: Some("#5f7187".to_owned()),
                column: Some(number),
            });
            plot.nodes.len() - 1
        };
        for key in &kept {
            places.insert(key, node(&column.label(key)));
        }
        let left = column.nodes.len() - kept.len();
        if left > 0 {
            *rest = Some(node(&others(left)));
        }
        tallest = tallest.max(kept.len() + usize::from(left > 0));
    }
    let [kinds, actors, recipients] = &places;
    let [other_kinds, other_actors, other_recipients] = rest;
    let sides = [
        (reads, kinds, other_kinds, actors, other_actors),
        (sends, actors, other_actors, recipients, other_recipients),
    ];
    for (bands, from, other_from, to, other_to) in sides {
        for ((source, target), (count, tone)) in bands {
            let source = from.get(source.as_str()).copied().or(other_from);
            let target = to.get(target.as_str()).copied().or(other_to);
            let (Some(source), Some(target)) = (source, target) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "a width, on a logarithmic scale")]
            let value = 1.0 + (*count as f64).max(1.0).log10();
            plot.links.push(SankeyLink { source, target, value, color: Some(tone.colour().to_owned()) });
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most fourteen")]
    let height = 40.0 + 46.0 * tallest as f64;
    let plots = vec![Plot::from(plot)];
    let layout = Layout::auto_from_plots(&plots).with_width(WIDTH).with_height(height);
    let svg = SvgBackend::new().render_scene(&render_multiple(plots, layout));
    framed(&svg, height, language)
}

/// The picture with a size of its own choice and a name for those who do not see it.
fn framed(svg: &str, height: f64, language: usize) -> String {
    let (english, chinese) = word("flow.picture").unwrap_or_default();
    let name = if language == 0 { english } else { chinese };
    let head = format!(
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"{} 0 {} {}\" ",
        escape(name),
        -MARGIN,
        WIDTH + 2.0 * MARGIN,
        height - BELOW
    );
    // Inside of HTML the namespace is known, and a report names no address that somebody could take for one to be fetched.
    svg.replacen("<svg xmlns=\"http://www.w3.org/2000/svg\" ", &head, 1)
}

/// A label that fits beside its node.
fn cut(text: &str) -> String {
    let mut width = 0;
    let mut out = String::new();
    for character in text.chars() {
        width += if character.is_ascii() { 1 } else { 2 };
        if width > LABEL {
            out.push('…');
            break;
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_by_their_width() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"a".repeat(40)), format!("{}…", "a".repeat(LABEL)));
        assert_eq!(cut(&"字".repeat(40)), format!("{}…", "字".repeat(LABEL / 2)));
    }

    #[test]
    fn a_column_keeps_the_most_frequent_and_sums_up_the_rest() {
        let mut column = Column::default();
        for number in 0..100_u64 {
            column.add(&format!("host-{number:03}"), ["a".to_owned(), "b".to_owned()], number);
        }
        let kept = column.kept();
        assert_eq!(kept.len(), NODES - 1);
        assert_eq!(kept.first(), Some(&"host-099"));
    }
}
