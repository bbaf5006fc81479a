//! What we say, in 简体中文. English is the source: texts are made and stored in English, and translated here, whole, at the
//! moment somebody reads them. PURE; commands, ids, paths and the words of providers stay as they are.
//!
//! The rows are in `chinese/*.txt`, by the room that says them: a line of English, and below it, indented, the same in Chinese.
//! * `{name}` stands for anything, which is kept; `{#n}` for digits; `{@at}` for a date; `{!word}` for one word; `{&list}` for names (`a, b and c`); `{*why}` for something
//!   that has a row of its own, without which this row does not count; `{?why}` for the same, or for words that are not ours.
//! * `<a|b>` may be there or not, as one of its alternatives; the Chinese has as many, in the same order.
//! * `#` begins a comment.
//!
//! A text without a row stays English: rather one whole sentence in another language than two halves. The tests read our own
//! sources and fail on words without a row.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What each room says.
const TABLES: [(&str, &str); 15] = [
    ("chat", include_str!("chinese/chat.txt")),
    ("cli", include_str!("chinese/cli.txt")),
    ("config", include_str!("chinese/config.txt")),
    ("control", include_str!("chinese/control.txt")),
    ("engine", include_str!("chinese/engine.txt")),
    ("doctor", include_str!("chinese/doctor.txt")),
    ("formats", include_str!("chinese/formats.txt")),
    ("help", include_str!("chinese/help.txt")),
    ("gateway", include_str!("chinese/gateway.txt")),
    ("monitor", include_str!("chinese/monitor.txt")),
    ("notify", include_str!("chinese/notify.txt")),
    ("output", include_str!("chinese/output.txt")),
    ("providers", include_str!("chinese/providers.txt")),
    ("sources", include_str!("chinese/sources.txt")),
    ("web", include_str!("chinese/web.txt")),
];

/// Holes within holes go no deeper.
const DEEPEST: usize = 12;
/// Between reasons in one line.
const REASONS: &str = "; ";
/// As many rows are held against one text and what is in its holes: no text of ours needs a tenth of it.
const STEPS: usize = 50_000;
/// A row with fewer characters of its own fits any sentence, word by word. It stands in no row like it: of a foreign sentence that
/// ends in words of ours only the end would be translated.
const SURE: usize = 2;
/// `2026-11-24 19:00 -03:30 (2026-11-24 22:30 UTC)`: no date is longer.
const DATE: usize = 60;

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let rows = TABLES.iter().flat_map(|(room, table)| rows(room, table).expect("a test reads every table"));
    Rows::index(rows.collect())
});

/// A text of ours in Chinese; `None` if there is no row for it.
#[must_use]
pub fn translate(text: &str) -> Option<String> {
    ROWS.translate(text, &mut Work::new())
}

/// What one translation may cost, and what it came upon.
struct Work {
    steps: usize,
    depth: usize,
    /// It is within a row that is not [`SURE`].
    unsure: bool,
    /// What stood where words of ours were looked for, and is not ours.
    foreign: Vec<String>,
}

impl Work {
    fn new() -> Self {
        Self { steps: STEPS, depth: 0, unsure: false, foreign: Vec::new() }
    }
}

/// One way a text can be: what is between the holes, and what stands in its place.
#[derive(Debug)]
struct Row {
    english: Pattern,
    chinese: Pattern,
    /// Characters that must be there: the more, the surer.
    weight: usize,
}

type Pattern = Vec<Piece>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Hole { name: String, sort: Sort },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// Kept as it is.
    Kept,
    /// Digits, kept.
    Number,
    /// What has no space in it, kept.
    Word,
    /// A date, with what follows it, kept.
    Date,
    /// Names, the last two joined by "and".
    List,
    /// Words of ours.
    Ours,
    /// Words of ours or somebody else's.
    Maybe,
}

/// The rows, found by how they begin.
struct Rows {
    rows: Vec<Row>,
    /// Those without holes.
    whole: HashMap<String, usize>,
    /// Those that begin with words, by their first byte; the surest first.
    begin: HashMap<u8, Vec<usize>>,
    /// Those that begin with a hole, by their last byte; `None`: they end with a hole too.
    open: HashMap<Option<u8>, Vec<usize>>,
}

impl Rows {
    fn index(mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| std::cmp::Reverse(row.weight));
        let mut index = Self { rows: Vec::new(), whole: HashMap::new(), begin: HashMap::new(), open: HashMap::new() };
        for (number, row) in rows.iter().enumerate() {
            match row.english.as_slice() {
                [Piece::Literal(text)] => {
                    index.whole.entry(text.clone()).or_insert(number);
                }
                [Piece::Literal(text), ..] => {
                    index.begin.entry(text.as_bytes()[0]).or_default().push(number);
                }
                [.., Piece::Literal(text)] => index.open.entry(text.bytes().last()).or_default().push(number),
                _ => index.open.entry(None).or_default().push(number),
            }
        }
        index.rows = rows;
        index
    }

    fn translate(&self, text: &str, work: &mut Work) -> Option<String> {
        if let Some(number) = self.whole.get(text) {
            return self.fill(*number, &[], work);
        }
        // Reasons stand in a line, or in what a line is about; further in, a mark is a part of one text.
        let several = if work.depth <= 1 { self.several(text, work) } else { None };
        several.or_else(|| self.one(text, work))
    }

    /// Several reasons in one line, each a text of its own; a text may hold such a mark itself.
    fn several(&self, text: &str, work: &mut Work) -> Option<String> {
        let ends: Vec<usize> =
            text.match_indices(REASONS).map(|(at, _)| at).chain([text.len()]).take(DEEPEST).collect();
        if ends.len() < 2 || ends.last() != Some(&text.len()) {
            return None;
        }
        let foreign = work.foreign.len();
        let (mut said, mut from) = (Vec::new(), 0);
        while from < text.len() {
            let next = ends.iter().filter(|end| **end > from && !(from == 0 && **end == text.len())).take(2);
            let found = next.copied().find_map(|end| Some((self.one(&text[from..end], work)?, end)));
            let Some((one, end)) = found else {
                work.foreign.truncate(foreign);
                return None;
            };
            said.push(one);
            from = end + REASONS.len();
        }
        Some(said.join("；"))
    }

    /// By the surest row that fits.
    fn one(&self, text: &str, work: &mut Work) -> Option<String> {
        if let Some(number) = self.whole.get(text) {
            return self.fill(*number, &[], work);
        }
        let begin = text.bytes().next().and_then(|byte| self.begin.get(&byte)).map_or(&[][..], Vec::as_slice);
        let open = |end: Option<u8>| self.open.get(&end).map_or(&[][..], Vec::as_slice);
        let mut open = [open(text.bytes().last()), open(None)].concat();
        // Surest first, as each list is.
        open.sort_unstable();
        // A beginning says more about a text than an end.
        for number in begin.iter().copied().chain(open) {
            work.steps = work.steps.checked_sub(1)?;
            let (foreign, unsure) = (work.foreign.len(), self.rows[number].weight < SURE);
            if unsure && work.unsure {
                continue;
            }
            if let Some(found) = self.fit(number, text) {
                let before = work.unsure;
                work.unsure |= unsure;
                let out = self.fill(number, &found, work);
                work.unsure = before;
                if out.is_some() {
                    return out;
                }
            }
            work.foreign.truncate(foreign);
        }
        None
    }

    /// What is in the holes if the text is one of this row: each as short as it can be, the last one what remains. Linear.
    fn fit<'t>(&self, number: usize, text: &'t str) -> Option<Vec<&'t str>> {
        let mut found = Vec::new();
        let mut rest = text;
        let mut hole: Option<Sort> = None;
        let pieces = &self.rows[number].english;
        for (at, piece) in pieces.iter().enumerate() {
            let literal = match piece {
                Piece::Hole { sort, .. } => {
                    hole = Some(*sort);
                    continue;
                }
                Piece::Literal(literal) => literal.as_str(),
            };
            let Some(sort) = hole.take() else {
                rest = rest.strip_prefix(literal)?;
                continue;
            };
            // Something must be in a hole.
            let first = rest.chars().next()?.len_utf8();
            let last = at + 1 == pieces.len();
            let start = if last {
                rest.len().checked_sub(literal.len()).filter(|start| *start >= first && rest.ends_with(literal))?
            } else {
                first + rest[first..].find(literal)?
            };
            found.push(held(sort, &rest[..start])?);
            rest = &rest[start + literal.len()..];
        }
        match hole {
            Some(sort) if !rest.is_empty() => found.push(held(sort, rest)?),
            None if rest.is_empty() => {}
            _ => return None,
        }
        Some(found)
    }

    fn fill(&self, number: usize, found: &[&str], work: &mut Work) -> Option<String> {
        let Row { english, chinese, .. } = &self.rows[number];
        let holes =
            || english.iter().filter_map(|piece| if let Piece::Hole { name, .. } = piece { Some(name) } else { None });
        let mut out = String::new();
        for piece in chinese {
            let (name, sort) = match piece {
                Piece::Literal(text) => {
                    // A full-width bracket stands by itself.
                    let close = out.ends_with('）');
                    out.push_str(if close { text.trim_start() } else { text });
                    continue;
                }
                Piece::Hole { name, sort } => (name, *sort),
            };
            let value = holes().zip(found).find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
            match sort {
                Sort::Kept | Sort::Number | Sort::Word | Sort::Date => out.push_str(value),
                Sort::List => out.push_str(&list(value)),
                Sort::Ours | Sort::Maybe => match self.inner(value, work) {
                    Some(text) => out.push_str(&text),
                    None if sort == Sort::Ours => return None,
                    None => {
                        work.foreign.push(value.to_owned());
                        out.push_str(value);
                    }
                },
            }
        }
        Some(out)
    }

    fn inner(&self, text: &str, work: &mut Work) -> Option<String> {
        work.depth += 1;
        let out = if work.depth <= DEEPEST { self.translate(text, work) } else { None };
        work.depth -= 1;
        out
    }
}

/// `a, b and c`, `a, b and 3 more`.
fn list(text: &str) -> String {
    let (most, last) = text.rsplit_once(" and ").map_or((text, None), |(most, last)| (most, Some(last)));
    let most = most.replace(", ", "、");
    match last.map(|last| (last, last.strip_suffix(" more"))) {
        None => most,
        Some((_, Some(more))) if more.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{most} 等（另有 {more} 个）")
        }
        Some((last, _)) => format!("{most} 和 {last}"),
    }
}

fn held(sort: Sort, value: &str) -> Option<&str> {
    let shaped = |shape: &str| {
        let fits = |(byte, shape): (u8, u8)| if shape == b'd' { byte.is_ascii_digit() } else { byte == shape };
        value.len() >= shape.len() && value.bytes().zip(shape.bytes()).all(fits)
    };
    let good = match sort {
        Sort::Number => value.bytes().all(|byte| byte.is_ascii_digit()),
        Sort::Word => !value.contains(char::is_whitespace),
        Sort::Date => shaped("dddd-dd-dd") && value.len() <= DATE,
        Sort::Kept | Sort::List | Sort::Ours | Sort::Maybe => true,
    };
    good.then_some(value)
}

/// The rows of a table, with every alternative a row of its own.
fn rows(room: &str, table: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut english: Option<&str> = None;
    for (number, line) in table.lines().enumerate() {
        let wrong = |what: &str| Err(format!("chinese/{room}.txt:{}: {what}", number + 1));
        match (english.take(), line.strip_prefix("    ")) {
            (None, None) if line.is_empty() || line.starts_with('#') => {}
            (None, None) => english = Some(line),
            (Some(english), Some(chinese)) => match row(english, chinese) {
                Ok(all) => rows.extend(all),
                Err(what) => return wrong(&what),
            },
            (Some(_), None) => return wrong("the line before has no Chinese"),
            (None, Some(_)) => return wrong("there is no English before it"),
        }
    }
    Ok(rows)
}

fn row(english: &str, chinese: &str) -> Result<Vec<Row>, String> {
    let (english, chinese) = (ways(english)?, ways(chinese)?);
    if english.len() != chinese.len() {
        return Err("the alternatives in <…|…> are not as many".to_owned());
    }
    english.iter().zip(&chinese).map(|(english, chinese)| pair(english, chinese)).collect()
}

fn pair(english: &str, chinese: &str) -> Result<Row, String> {
    let (english, mut chinese) = (pattern(english)?, pattern(chinese)?);
    let weight = english.iter().map(|piece| if let Piece::Literal(text) = piece { text.len() } else { 0 }).sum();
    if weight == 0 || english.windows(2).any(|two| two.iter().all(|piece| matches!(piece, Piece::Hole { .. }))) {
        return Err("there must be words, and words between two holes".to_owned());
    }
    for piece in &mut chinese {
        let Piece::Hole { name, sort } = piece else { continue };
        let same = english.iter().find_map(|other| match other {
            Piece::Hole { name: known, sort } if known == name => Some(*sort),
            _ => None,
        });
        *sort = same.ok_or_else(|| format!("{{{name}}} is not in the English"))?;
    }
    Ok(Row { english, chinese, weight })
}

/// Every text that a line with alternatives stands for, in a fixed order.
fn ways(line: &str) -> Result<Vec<String>, String> {
    let mut all = vec![String::new()];
    let mut rest = line;
    while let Some((before, group)) = rest.split_once('<') {
        let (group, after) = group.split_once('>').ok_or("a < without a >")?;
        let choices: Vec<&str> = std::iter::once("").chain(group.split('|')).collect();
        all = all.iter().flat_map(|text| choices.iter().map(move |choice| format!("{text}{before}{choice}"))).collect();
        rest = after;
    }
    Ok(all.into_iter().map(|text| text + rest).collect())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, hole)) = rest.split_once('{') {
        let (name, after) = hole.split_once('}').ok_or("a { without a }")?;
        if !before.is_empty() {
            pieces.push(Piece::Literal(before.to_owned()));
        }
        let (sort, name) = match name.split_at_checked(1) {
            Some(("#", name)) => (Sort::Number, name),
            Some(("!", name)) => (Sort::Word, name),
            Some(("@", name)) => (Sort::Date, name),
            Some(("&", name)) => (Sort::List, name),
            Some(("*", name)) => (Sort::Ours, name),
            Some(("?", name)) => (Sort::Maybe, name),
            _ => (Sort::Kept, name),
        };
        pieces.push(Piece::Hole { name: name.to_owned(), sort });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

#[cfg(test)]
#[path = "chinese_tests.rs"]
mod tests;
