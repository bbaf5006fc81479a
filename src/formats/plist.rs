//! Property lists of launchd, in XML: as far as a job's file says what its process is started with. Pure. The binary form is
//! not read: launchd's own jobs are written by hand or by programs that write XML.

/// A value of a property list.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `<string>`, `<integer>`, `<real>`, `<date>` and `<data>`, as written.
    Text(String),
    /// `<array>`.
    Array(Vec<Value>),
    /// `<dict>`, in the order of the file.
    Dict(Vec<(String, Value)>),
    /// `<true/>` and `<false/>`.
    Flag(bool),
}

impl Value {
    /// What a dictionary has under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of an array.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Array(items) => items.iter().filter_map(Self::text).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// Nobody nests deeper.
const DEEP: usize = 32;

/// The value of a whole file; `None` if it is no property list in XML.
#[must_use]
pub fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    match reader.tag()? {
        Tag::Open("plist") => reader.value(DEEP),
        _ => None,
    }
}

enum Tag<'a> {
    Open(&'a str),
    Close(&'a str),
    Empty(&'a str),
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next tag; instructions, comments and the document type are passed over.
    fn tag(&mut self) -> Option<Tag<'a>> {
        loop {
            let (_, after) = self.rest.split_once('<')?;
            if let Some(comment) = after.strip_prefix("!--") {
                (_, self.rest) = comment.split_once("-->")?;
                continue;
            }
            let (inside, rest) = after.split_once('>')?;
            self.rest = rest;
            if inside.starts_with(['?', '!']) {
                continue;
            }
            let name = |text: &'a str| text.split_whitespace().next().unwrap_or_default();
            return Some(match (inside.strip_prefix('/'), inside.strip_suffix('/')) {
                (Some(closed), _) => Tag::Close(name(closed)),
                (_, Some(empty)) => Tag::Empty(name(empty)),
                _ => Tag::Open(name(inside)),
            });
        }
    }

    /// The value that begins here.
    fn value(&mut self, deep: usize) -> Option<Value> {
        let tag = self.tag()?;
        self.value_of(tag, deep)
    }

    fn value_of(&mut self, tag: Tag<'a>, deep: usize) -> Option<Value> {
        let deep = deep.checked_sub(1)?;
        match tag {
            Tag::Empty("true") => Some(Value::Flag(true)),
            Tag::Empty("false") => Some(Value::Flag(false)),
            Tag::Empty("array") => Some(Value::Array(Vec::new())),
            Tag::Empty("dict") => Some(Value::Dict(Vec::new())),
            Tag::Empty(_) => Some(Value::Text(String::new())),
            Tag::Open("array") => {
                let mut items = Vec::new();
                loop {
                    match self.tag()? {
                        Tag::Close("array") => return Some(Value::Array(items)),
                        tag => items.push(self.value_of(tag, deep)?),
                    }
                }
            }
            Tag::Open("dict") => {
                let mut entries = Vec::new();
                loop {
                    match self.tag()? {
                        Tag::Close("dict") => return Some(Value::Dict(entries)),
                        Tag::Open("key") => {
                            let key = self.text("key")?;
                            entries.push((key, self.value(deep)?));
                        }
                        _ => return None,
                    }
                }
            }
            Tag::Open(name) => self.text(name).map(Value::Text),
            Tag::Close(_) => None,
        }
    }

    /// What stands before the end of an element that has no other inside.
    fn text(&mut self, name: &str) -> Option<String> {
        let (text, after) = self.rest.split_once('<')?;
        let after = after.strip_prefix('/')?.strip_prefix(name)?.trim_start();
        self.rest = after.strip_prefix('>')?;
        unescape(text)
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, tail) = after.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let code = name.strip_prefix('#')?;
                let code = match code.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => code.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
  <!-- <dict> -->
  <dict>
    <key>Label</key><string>ai.openclaw.gateway</string>
    <key>RunAtLoad</key><true/>
    <key>ProgramArguments</key>
    <array><string>node</string><string>a &amp; b&#x21;</string><string/></array>
    <key>ThrottleInterval</key><integer>5</integer>
    <key>EnvironmentVariables</key>
    <dict><key>OPENAI_API_KEY</key><string>sk-1</string><key>EMPTY</key><string></string></dict>
  </dict>
</plist>"#;
        let plist = parse(text).unwrap();
        assert_eq!(plist.get("ProgramArguments").unwrap().texts(), ["node", "a & b!", ""]);
        let environment = plist.get("EnvironmentVariables").unwrap();
        assert_eq!(environment.get("OPENAI_API_KEY").and_then(Value::text), Some("sk-1"));
        assert_eq!(environment.get("EMPTY").and_then(Value::text), Some(""));
        assert!(plist.get("RunAtLoad") == Some(&Value::Flag(true)) && plist.get("Gone").is_none());
        for cut in 0..text.len() {
            let _ = parse(text.get(..cut).unwrap_or_default());
        }
        assert!(parse(&text[..text.len() - 60]).is_none(), "what is cut off is not half read");
    }

    #[test]
    fn what_is_none() {
        let deep = format!("<plist>{}", "<array>".repeat(10_000));
        for text in
            ["", "bplist00\u{1}", "<plist>", "<html></html>", "<plist><dict><string>x</string></dict></plist>", &deep]
        {
            assert!(parse(text).is_none(), "{}", text.chars().take(40).collect::<String>());
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(<plist>)?(<(/?(dict|key|string|array)|true/)>|[a&;#x<>é]){0,20}") {
            let _ = parse(&text);
        }
    }
}
