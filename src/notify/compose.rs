//! A rendered message as one text in a chat's own markup, within the limit that the vendor counts in its own unit. PURE.
//!
//! What does not fit is left out in this order: why we believe it, then whole items from the end (counted), then the ends of
//! long texts. Never the first item's title, and never half a character or half a tag.

use super::render::{Entry, Rendered};
use crate::net::redact::cut;

/// How a vendor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Bytes of UTF-8.
    Bytes(usize),
    /// Characters (Unicode scalar values).
    Chars(usize),
    /// UTF-16 code units.
    Utf16(usize),
}

impl Limit {
    /// Whether a text fits.
    pub fn holds(self, text: &str) -> bool {
        match self {
            Self::Bytes(limit) => text.len() <= limit,
            Self::Chars(limit) => text.chars().count() <= limit,
            Self::Utf16(limit) => text.encode_utf16().count() <= limit,
        }
    }

    /// The longest beginning of a text that fits; a cut one ends in `…`. For texts without markup.
    pub fn cut(self, text: &str) -> String {
        if self.holds(text) {
            return text.to_owned();
        }
        let mut kept = String::new();
        for character in text.chars() {
            kept.push(character);
            if !self.holds(&format!("{kept}…")) {
                kept.pop();
                break;
            }
        }
        kept.truncate(kept.trim_end().len());
        kept.push('…');
        if self.holds(&kept) { kept } else { String::new() }
    }
}

/// A vendor's way of writing. Everything that comes from outside passes one of these, so that no name of a credential and no
/// word of a provider becomes markup or a mention.
pub(super) trait Markup {
    /// Text that means nothing but itself.
    fn plain(&self, text: &str) -> String;

    /// Text that stands out.
    fn strong(&self, text: &str) -> String {
        self.plain(text)
    }

    /// A command, to be copied.
    fn code(&self, text: &str) -> String {
        self.plain(text)
    }

    /// What ends a line.
    fn line_end(&self) -> &'static str {
        "\n"
    }
}

/// Foreign text for a markup without a way to escape: an invisible joiner after each character that could mean something.
pub(super) fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        out.push(character);
        if matches!(character, '*' | '_' | '`' | '~' | '#' | '[' | ']' | '<' | '>' | '@') {
            out.push('\u{2060}');
        }
    }
    out
}

/// The markup of a chat without a way to escape.
pub(super) struct Unescaped {
    /// Around what stands out.
    pub strong: &'static str,
    /// Around a command; empty where there is no such thing.
    pub code: &'static str,
    /// What ends a line.
    pub line_end: &'static str,
}

impl Markup for Unescaped {
    fn plain(&self, text: &str) -> String {
        joined(text)
    }

    fn strong(&self, text: &str) -> String {
        format!("{0}{1}{0}", self.strong, joined(text))
    }

    /// To be copied: nothing invisible in it, but no end of the markup and no call either.
    fn code(&self, text: &str) -> String {
        let text = if self.code.is_empty() { text.replace('@', "＠") } else { text.replace('`', "'") };
        format!("{0}{text}{0}", self.code)
    }

    fn line_end(&self) -> &'static str {
        self.line_end
    }
}

/// No markup at all.
pub(super) struct Plain;

impl Markup for Plain {
    fn plain(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// The Markdown that most chats have in common.
pub(super) struct Markdown;

impl Markup for Markdown {
    fn plain(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            // `@` and `<` begin mentions in several chats: an invisible joiner keeps them from being one.
            match character {
                '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '#' | '|' | '>' => out.extend(['\\', character]),
                '@' | '<' => out.extend([character, '\u{2060}']),
                _ => out.push(character),
            }
        }
        out
    }

    fn strong(&self, text: &str) -> String {
        format!("**{}**", self.plain(text))
    }

    fn code(&self, text: &str) -> String {
        format!("`{}`", text.replace('`', "'"))
    }
}

/// HTML of the simplest sort.
pub(super) struct Html;

impl Markup for Html {
    fn plain(&self, text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    fn strong(&self, text: &str) -> String {
        format!("<b>{}</b>", self.plain(text))
    }

    fn code(&self, text: &str) -> String {
        format!("<code>{}</code>", self.plain(text))
    }
}

/// The body of a message: all its items, as far as they fit.
pub(super) fn compose(message: &Rendered, markup: &dyn Markup, limit: Limit) -> String {
    if let Some(own) = &message.own {
        return whole(own, markup, limit);
    }
    let whole = write(message, markup, message.items.len(), true, usize::MAX);
    if limit.holds(&whole) {
        return whole;
    }
    for shown in (1..=message.items.len()).rev() {
        let text = write(message, markup, shown, false, usize::MAX);
        if limit.holds(&text) {
            return text;
        }
    }
    for longest in [400, 200, 100, 60, 30, 15] {
        let text = write(message, markup, message.items.len().min(1), false, longest);
        if limit.holds(&text) {
            return text;
        }
    }
    limit.cut(&markup.plain(&message.subject))
}

/// The text of a receiver's own template. It has no markup: what is in it may come from anywhere.
fn whole(text: &str, markup: &dyn Markup, limit: Limit) -> String {
    let mut longest = text.chars().count();
    loop {
        let cut = cut(text.trim_end(), longest);
        let lines: Vec<String> = cut.lines().map(|line| markup.plain(line)).collect();
        let text = lines.join(markup.line_end());
        if limit.holds(&text) || longest == 0 {
            return text;
        }
        longest = longest * 9 / 10;
    }
}

fn write(message: &Rendered, markup: &dyn Markup, shown: usize, reasons: bool, longest: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for note in [&message.delayed, &message.notice].into_iter().flatten() {
        lines.extend([markup.plain(&cut(note, longest)), String::new()]);
    }
    for item in &message.items[..shown] {
        entry(&mut lines, message, item, markup, reasons, longest);
        lines.push(String::new());
    }
    let hidden = message.items.len() - shown + message.hidden;
    if hidden > 0 {
        lines.push(markup.plain(&message.more(hidden)));
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join(markup.line_end())
}

fn entry(
    lines: &mut Vec<String>,
    message: &Rendered,
    item: &Entry,
    markup: &dyn Markup,
    reasons: bool,
    longest: usize,
) {
    let short = |text: &str| cut(text, longest);
    let colon = message.labels.colon;
    lines.push(format!(
        "{} {}",
        item.mood.sign(),
        markup.strong(&short(&format!("{}{colon}{}", item.mark, item.title)))
    ));
    if !item.summary.is_empty() {
        lines.push(markup.plain(&short(&item.summary)));
    }
    for line in &item.times {
        lines.push(markup.plain(&format!("{}{colon}{}", line.name, line.value)));
    }
    if reasons {
        lines.extend(item.because.iter().map(|reason| markup.plain(&format!("– {reason}"))));
    }
    if let Some(fix) = &item.fix {
        let todo = format!("{}{colon}", message.labels.todo);
        lines.push(format!("{} {}", markup.plain(todo.trim_end()), markup.code(&short(fix))));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Item, Lang, Zone};
    use crate::notify::render::render;
    use crate::notify::samples::{expiring, notification, now};

    fn rendered(items: Vec<Item>) -> Rendered {
        render(&notification(items), Lang::English, Zone::UTC, now())
    }

    #[test]
    fn whole_messages() {
        let message = rendered(vec![expiring()]);
        insta::assert_snapshot!("composed_plain", compose(&message, &Plain, Limit::Chars(4000)));
        insta::assert_snapshot!("composed_markdown", compose(&message, &Markdown, Limit::Chars(4000)));
        insta::assert_snapshot!("composed_html", compose(&message, &Html, Limit::Chars(4000)));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let message = rendered(vec![expiring(); 30]);
        let text = compose(&message, &Plain, Limit::Bytes(2048));
        assert!(text.len() <= 2048 && text.len() > 1024, "{}", text.len());
        let shown = text.matches("CRITICAL").count();
        assert!(shown > 1 && text.contains(&format!("and {} more", 30 - shown)), "{text}");
        assert!(!text.contains("says so"), "reasons go first");
    }

    #[test]
    fn markup_comes_from_us_only() {
        let item = Item { title: "<b>@all</b> *x* `y` [z](http://e)".into(), ..expiring() };
        let message = rendered(vec![item]);
        let html = compose(&message, &Html, Limit::Chars(4000));
        assert!(html.contains("&lt;b&gt;@all"), "{html}");
        let markdown = compose(&message, &Markdown, Limit::Chars(4000));
        assert!(markdown.contains(r"\*x\* \`y\` \[z\]") && !markdown.contains("@all"), "{markdown}");
    }

    #[test]
    fn chinese_within_every_unit() {
        let item = Item { title: "opensoul:main/anthropic:work must be renewed".into(), ..expiring() };
        let message = render(&notification(vec![item; 30]), Lang::Chinese, Zone::UTC, now());
        for limit in [Limit::Bytes(2048), Limit::Chars(700), Limit::Utf16(700)] {
            let text = compose(&message, &Plain, limit);
            assert!(limit.holds(&text) && text.contains("严重：opensoul:main/anthropic:work 需要续期"), "{text}");
            let shown = text.matches("严重").count();
            assert!(text.contains(&format!("另有 {} 项", 30 - shown)), "{text}");
        }
    }

    #[test]
    fn own_words_fit_too_and_stay_plain() {
        let mut message = rendered(vec![expiring()]);
        message.own = Some(format!("<b>mine</b>\n{}", "密钥".repeat(2_000)));
        for limit in [Limit::Bytes(2048), Limit::Chars(700), Limit::Utf16(700), Limit::Chars(50_000)] {
            let text = compose(&message, &Html, limit);
            assert!(limit.holds(&text) && text.starts_with("&lt;b&gt;mine&lt;/b&gt;\n密钥"), "{text}");
        }
    }

    #[test]
    fn units() {
        assert!(Limit::Bytes(6).holds("密钥") && !Limit::Bytes(5).holds("密钥"));
        assert!(Limit::Chars(2).holds("密钥") && !Limit::Chars(1).holds("密钥"));
        assert!(Limit::Utf16(2).holds("🔑") && !Limit::Utf16(1).holds("🔑"));
        assert_eq!(Limit::Bytes(9).cut("密钥密钥"), "密钥…");
        assert_eq!(Limit::Chars(3).cut("abcdef"), "ab…");
    }

    proptest! {
        #[test]
        fn it_always_fits(text in "\\PC{0,600}", count in 1usize..12, limit in 40usize..3000, unit in 0usize..3) {
            let item = Item { title: text.clone(), summary: text.clone(), fix: Some(text.clone()), because: vec![text], ..expiring() };
            let message = rendered(vec![item; count]);
            let limit = [Limit::Bytes(limit), Limit::Chars(limit), Limit::Utf16(limit)][unit];
            for markup in [&Plain as &dyn Markup, &Markdown, &Html] {
                prop_assert!(limit.holds(&compose(&message, markup, limit)));
            }
        }
    }
}
