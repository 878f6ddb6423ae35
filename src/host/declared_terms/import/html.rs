//! HTML to lines and tables. The parser is html5ever, which reads broken pages as browsers do; this module keeps what it
//! builds in a flat store and walks it without recursion, because a page can be nested as deeply as it likes.

use std::borrow::Cow;
use std::cell::{Cell as Slot, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, QualName, local_name, ns, parse_document};

use super::blocks::{Block, Cell, Line, LineKind, Table};

#[derive(Debug)]
enum Content {
    Element {
        name: Rc<QualName>,
        columns: u16,
        rows: u16,
    },
    /// Mostly a part of the page that the parser holds, and no copy.
    Text(StrTendril),
    Other,
}

#[derive(Debug)]
struct Node {
    parent: Option<u32>,
    children: Vec<u32>,
    content: Content,
    line: u32,
}

#[derive(Debug, Clone)]
struct Handle {
    /// A document of the largest size has fewer nodes than this counts.
    index: u32,
    name: Rc<QualName>,
}

/// Where the parser puts what it builds.
struct Store {
    nodes: RefCell<Vec<Node>>,
    line: Slot<u32>,
    /// Each name that came up, once: pages have many elements and few names.
    names: RefCell<HashSet<Rc<QualName>>>,
    /// The name of what has no name, such as the document itself.
    nameless: Rc<QualName>,
}

impl Store {
    fn add(&self, content: Content) -> u32 {
        let mut nodes = self.nodes.borrow_mut();
        let index = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        nodes.push(Node { parent: None, children: Vec::new(), content, line: self.line.get() });
        index
    }

    fn name(&self, name: QualName) -> Rc<QualName> {
        let mut names = self.names.borrow_mut();
        if let Some(known) = names.get(&name) {
            return known.clone();
        }
        let name = Rc::new(name);
        names.insert(name.clone());
        name
    }

    fn detach(&self, index: u32) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(parent) = nodes.get_mut(index as usize).and_then(|node| node.parent.take()) else { return };
        if let Some(parent) = nodes.get_mut(parent as usize) {
            parent.children.retain(|child| *child != index);
        }
    }

    /// Puts something before the child at `place` of a parent, or at its end.
    fn insert(&self, parent: u32, place: Option<usize>, child: NodeOrText<Handle>) {
        let child = match child {
            NodeOrText::AppendNode(handle) => {
                self.detach(handle.index);
                handle.index
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let before = nodes.get(parent as usize).and_then(|node| match place {
                    Some(place) => node.children.get(place.checked_sub(1)?).copied(),
                    None => node.children.last().copied(),
                });
                if let Some(Content::Text(known)) =
                    before.and_then(|index| nodes.get_mut(index as usize)).map(|node| &mut node.content)
                {
                    known.push_tendril(&text);
                    return;
                }
                drop(nodes);
                self.add(Content::Text(text))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        if let Some(node) = nodes.get_mut(child as usize) {
            node.parent = Some(parent);
        }
        if let Some(node) = nodes.get_mut(parent as usize) {
            let place = place.unwrap_or(node.children.len()).min(node.children.len());
            node.children.insert(place, child);
        }
    }
}

impl TreeSink for Store {
    type Handle = Handle;
    type Output = Vec<Node>;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Vec<Node> {
        self.nodes.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle { index: 0, name: self.nameless.clone() }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Handle {
        let span = |wanted: &str| {
            let found = attributes.iter().find(|attribute| &*attribute.name.local == wanted);
            // "0" means "to the end"; what is no number means one, as in browsers.
            found.and_then(|attribute| attribute.value.trim().parse::<u16>().ok()).map_or(1, |span| match span {
                0 => u16::MAX,
                span => span,
            })
        };
        let name = self.name(name);
        let content = Content::Element { name: name.clone(), columns: span("colspan"), rows: span("rowspan") };
        Handle { index: self.add(content), name }
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        Handle { index: self.add(Content::Other), name: self.nameless.clone() }
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        Handle { index: self.add(Content::Other), name: self.nameless.clone() }
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.index, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        let has_parent = self.nodes.borrow().get(element.index as usize).is_some_and(|node| node.parent.is_some());
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, left: &Handle, right: &Handle) -> bool {
        left.index == right.index
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(handle) = &child {
            self.detach(handle.index);
        }
        let parent = self.nodes.borrow().get(sibling.index as usize).and_then(|node| node.parent);
        let Some(parent) = parent else { return };
        // From the end: what is put before a sibling is nearly always put before the last one.
        let place = self
            .nodes
            .borrow()
            .get(parent as usize)
            .and_then(|node| node.children.iter().rposition(|child| *child == sibling.index));
        self.insert(parent, place, child);
    }

    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {}

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.index);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let children =
            nodes.get_mut(node.index as usize).map(|node| std::mem::take(&mut node.children)).unwrap_or_default();
        for child in &children {
            if let Some(child) = nodes.get_mut(*child as usize) {
                child.parent = Some(new_parent.index);
            }
        }
        if let Some(parent) = nodes.get_mut(new_parent.index as usize) {
            parent.children.extend(children);
        }
    }

    fn set_current_line(&self, line: u64) {
        self.line.set(u32::try_from(line).unwrap_or(u32::MAX));
    }
}

/// Whether a text is meant to be HTML: it has a tag that pages have.
pub(super) fn looks_like_html(text: &str) -> bool {
    const TAGS: &[&str] = &[
        "<!doctype",
        "<html",
        "<body",
        "<table",
        "<div",
        "<p>",
        "<p ",
        "<ul",
        "<ol",
        "<dl",
        "<span",
        "<h1",
        "<h2",
        "<br",
    ];
    text.match_indices('<').any(|(at, _)| {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let begins = |tag: &&str| rest.get(..tag.len()).is_some_and(|here| here.eq_ignore_ascii_case(tag.as_bytes()));
        TAGS.iter().any(begins)
    })
}

/// Few pages have fewer bytes for each tag and each piece of text. Room that is never used costs nothing; a store that grows
/// takes three times its size at the end.
const BYTES_PER_NODE: usize = 12;

/// Reads a page.
pub(super) fn read(text: &str) -> Vec<Block> {
    let nameless = Rc::new(QualName::new(None, ns!(), local_name!("")));
    let document = Node { parent: None, children: Vec::new(), content: Content::Other, line: 1 };
    let mut nodes = Vec::with_capacity(text.len() / BYTES_PER_NODE + 1);
    nodes.push(document);
    let store = Store { nodes: RefCell::new(nodes), line: Slot::new(1), names: RefCell::default(), nameless };
    let nodes = parse_document(store, html5ever::ParseOpts::default()).one(text);
    let mut walk = Walk::default();
    // Entering and leaving nodes, last first.
    let mut open = vec![(0_u32, true)];
    while let Some((index, entering)) = open.pop() {
        let Some(node) = nodes.get(index as usize) else { continue };
        if !entering {
            walk.leave(node);
            continue;
        }
        if walk.enter(node) {
            open.push((index, false));
            open.extend(node.children.iter().rev().map(|child| (*child, true)));
        }
    }
    walk.flush();
    walk.blocks
}

#[derive(Debug, Default)]
struct OpenTable {
    line: u32,
    rows: Vec<Vec<Cell>>,
    /// The cell that text goes into.
    cell: Option<Cell>,
}

/// What has been read, and where the walk is.
#[derive(Debug, Default)]
struct Walk {
    blocks: Vec<Block>,
    tables: Vec<OpenTable>,
    number: usize,
    text: String,
    line: u32,
    bold_letters: usize,
    headings: usize,
    bolds: usize,
    items: u8,
    /// The text that comes next begins an entry, a term.
    begins: Option<LineKind>,
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "nav"
            | "aside"
            | "ul"
            | "ol"
            | "dl"
            | "dd"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "blockquote"
            | "pre"
            | "figure"
            | "form"
            | "fieldset"
            | "details"
            | "summary"
            | "li"
            | "dt"
            | "br"
            | "hr"
            | "address"
            | "body"
            | "html"
            | "caption"
            | "label"
            | "button"
    )
}

impl Walk {
    /// Whether to go into the node.
    fn enter(&mut self, node: &Node) -> bool {
        let (name, columns, rows) = match &node.content {
            Content::Element { name, columns, rows } => (&*name.local, *columns, *rows),
            Content::Text(text) => {
                self.add(text, node.line);
                return false;
            }
            Content::Other => return true,
        };
        match name {
            "script" | "style" | "template" | "noscript" | "svg" | "select" | "title" => return false,
            // Headings of parts that fold are buttons; in a cell there are only those that copy or open something.
            "button" if self.tables.last().is_some_and(|table| table.cell.is_some()) => return false,
            "table" => {
                self.flush();
                self.tables.push(OpenTable { line: node.line, ..OpenTable::default() });
            }
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(Vec::new());
                }
            }
            "td" | "th" => {
                let cell = Cell { text: String::new(), line: node.line, columns: columns.into(), rows: rows.into() };
                if let Some(table) = self.tables.last_mut() {
                    table.cell = Some(cell);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.headings += 1,
            "b" | "strong" => self.bolds += 1,
            "ul" | "ol" => self.items = self.items.saturating_add(1),
            _ => {}
        }
        if is_block(name) {
            self.flush();
        }
        match name {
            "li" => self.begins = Some(LineKind::Item(self.items.max(1))),
            "dt" => self.begins = Some(LineKind::Term),
            _ => {}
        }
        true
    }

    fn leave(&mut self, node: &Node) {
        let Content::Element { name, .. } = &node.content else { return };
        let name = &*name.local;
        if is_block(name) {
            self.flush();
        }
        match name {
            "table" => {
                self.flush();
                if let Some(table) = self.tables.pop() {
                    self.number += 1;
                    let table = Table::lay_out(self.number, table.line, table.rows);
                    self.blocks.push(Block::Table(table));
                }
            }
            "td" | "th" => {
                if let Some(table) = self.tables.last_mut()
                    && let Some(mut cell) = table.cell.take()
                {
                    cell.text.truncate(cell.text.trim_end().len());
                    match table.rows.last_mut() {
                        Some(row) => row.push(cell),
                        None => table.rows.push(vec![cell]),
                    }
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.headings = self.headings.saturating_sub(1),
            "b" | "strong" => self.bolds = self.bolds.saturating_sub(1),
            "ul" | "ol" => self.items = self.items.saturating_sub(1),
            _ => {}
        }
    }

    fn add(&mut self, text: &str, line: u32) {
        let in_cell = self.tables.last_mut().and_then(|table| table.cell.as_mut());
        let into = match in_cell {
            Some(cell) => &mut cell.text,
            None => {
                if self.text.trim().is_empty() {
                    self.line = line;
                }
                if self.bolds > 0 {
                    self.bold_letters += text.chars().filter(|character| !character.is_whitespace()).count();
                }
                &mut self.text
            }
        };
        for character in text.chars() {
            if character.is_whitespace() {
                if !into.is_empty() && !into.ends_with([' ', '\n']) {
                    into.push(' ');
                }
            } else {
                into.push(character);
            }
        }
    }

    /// Ends the line; within a cell, a line of the cell.
    fn flush(&mut self) {
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
            cell.text.truncate(cell.text.trim_end_matches(' ').len());
            if !cell.text.is_empty() && !cell.text.ends_with('\n') {
                cell.text.push('\n');
            }
            return;
        }
        let text = std::mem::take(&mut self.text);
        let bold_letters = std::mem::take(&mut self.bold_letters);
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let kind = match self.begins.take() {
            Some(kind) => kind,
            None if self.headings > 0 => LineKind::Heading,
            None => LineKind::Paragraph,
        };
        let letters = text.chars().filter(|character| !character.is_whitespace()).count();
        self.blocks.push(Block::Line(Line {
            text: text.to_owned(),
            kind,
            bold: bold_letters >= letters,
            line: self.line,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(page: &str) -> Vec<(String, LineKind)> {
        let line = |block| match block {
            Block::Line(line) => Some((line.text, line.kind)),
            Block::Table(_) => None,
        };
        read(page).into_iter().filter_map(line).collect()
    }

    fn grid(page: &str) -> Vec<Vec<String>> {
        let table = read(page).into_iter().find_map(|block| match block {
            Block::Table(table) => Some(table),
            Block::Line(_) => None,
        });
        let table = table.expect("a table");
        (0..table.grid.len())
            .map(|row| (0..table.width()).map(|column| table.text(row, column).to_owned()).collect())
            .collect()
    }

    #[test]
    fn lines_end_where_a_browser_ends_them() {
        assert_eq!(
            lines("<h2>清单</h2><p>甲<b>乙</b> <br>丙</p><ul><li>一<ul><li>二</ul></ul><dl><dt>名<dd>值</dl>末"),
            [
                ("清单".to_owned(), LineKind::Heading),
                ("甲乙".to_owned(), LineKind::Paragraph),
                ("丙".to_owned(), LineKind::Paragraph),
                ("一".to_owned(), LineKind::Item(1)),
                ("二".to_owned(), LineKind::Item(2)),
                ("名".to_owned(), LineKind::Term),
                ("值".to_owned(), LineKind::Paragraph),
                ("末".to_owned(), LineKind::Paragraph),
            ]
        );
        let folds = "<button>甲</button><p>乙</p><table><tr><td>丙<button>复制</button></table>";
        assert_eq!(lines(folds).len(), 2);
        assert_eq!(grid(folds), [["丙"]]);
        assert!(lines("<script>var a = '设备';</script><style>p{}</style><!-- 设备 -->").is_empty());
    }

    #[test]
    fn cells_that_reach_over_rows_and_columns_are_everywhere_they_reach() {
        let page = "<table><tr><th>a<th>b<th>c</tr><tr><td rowspan=2>1<td>2<td>3<tr><td colspan=2>4<br>5</table>";
        assert_eq!(grid(page), [["a", "b", "c"], ["1", "2", "3"], ["1", "4\n5", "4\n5"]]);
        assert_eq!(grid("<table><tr><td colspan=99999999 rowspan=0>x</table>").len(), 1);
    }

    #[test]
    fn a_page_can_be_nested_as_deeply_as_it_likes() {
        let page = format!("{}设备{}", "<div>".repeat(3_000), "</div>".repeat(3_000));
        assert_eq!(lines(&page).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(<(table|tr|td|th|p|ul|li|b|dl|dt|dd|br)( rowspan=[0-9]{1,3})?>|</(table|tr|td|p|b)>|[a-z设备]{0,3}){0,40}") {
            let _ = read(&text);
        }
    }
}
