//! Variables that a shell's start-up file sets, as far as that can be told without being a shell: whole lines at the left
//! margin, a value that stands there literally. What is conditional (indented), computed (`$`, backticks, `\`), continued or
//! part of a here-document is passed over; a name that is set that way later is then not known at all.

use std::collections::BTreeMap;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh: `export NAME=value`.
    Posix,
    /// fish: `set -gx NAME value` (and `export` as well).
    Fish,
}

/// The last literal value of each exported name, and its line from 1.
#[must_use]
pub fn exports(text: &str, shell: Shell) -> BTreeMap<String, (String, usize)> {
    let mut found = BTreeMap::new();
    let (mut here, mut continued) = (None::<String>, false);
    for (number, line) in text.lines().enumerate() {
        if let Some(end) = &here {
            if line.trim() == end {
                here = None;
            }
            continue;
        }
        let inside = std::mem::replace(&mut continued, line.ends_with('\\'));
        if line.starts_with('#') {
            continue;
        }
        here = here_document(line);
        for (name, value) in assignments(line, shell) {
            match value.filter(|_| !inside && !continued) {
                Some(value) => found.insert(name, (value, number + 1)),
                None => found.remove(&name),
            };
        }
    }
    found
}

/// The exported universal variables of fish (`fish_variables`): `SETUVAR --export NAME:value`, in which fish writes whatever is
/// not a letter or a digit as `\\xHH` or `\\uHHHH`. A list is no key.
#[must_use]
pub fn universal(text: &str) -> BTreeMap<String, String> {
    let one = |line: &str| {
        let (options, rest) = line.strip_prefix("SETUVAR ")?.split_once("--export ")?;
        // Other options may stand before it, and `--path` after it.
        let rest = rest.trim_start_matches("--path ").trim_start();
        let (name, value) = rest.split_once(':')?;
        let plain = options.split_whitespace().all(|option| option.starts_with("--"));
        plain.then(|| Some((name.to_owned(), unescaped(value)?)))?
    };
    text.lines().filter_map(one).collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let digits = match after.chars().next()? {
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            c if c.is_ascii() => {
                out.push(match c {
                    'n' => b'\n',
                    't' => b'\t',
                    c => u8::try_from(c).ok()?,
                });
                rest = &after[1..];
                continue;
            }
            _ => return None,
        };
        let code = u32::from_str_radix(after.get(1..=digits)?, 16).ok()?;
        // The separator of lists.
        if code == 0x1e {
            return None;
        }
        match u8::try_from(code) {
            Ok(byte) if digits == 2 => out.push(byte),
            _ => out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &after[digits + 1..];
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).ok()
}

/// The word that ends the here-document that begins on this line.
fn here_document(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("<<")?;
    // `<<<` is a string, and `1 << 2` a sum.
    if rest.starts_with('<') {
        return None;
    }
    let word: String = rest
        .trim_start_matches('-')
        .trim_start()
        .trim_start_matches(['\'', '"', '\\'])
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit())).then_some(word)
}

/// The names that a line sets or unsets, each with its literal value, if it has one.
fn assignments(line: &str, shell: Shell) -> Vec<(String, Option<String>)> {
    let margin = !line.starts_with([' ', '\t']);
    let line = line.trim();
    let Some((command, rest)) = line.split_once([' ', '\t']) else {
        return plain(line).into_iter().collect();
    };
    let literal = |value: Option<String>| value.filter(|_| margin);
    match (command, shell) {
        ("export", _) => {
            let words = words(rest);
            let all = words.is_some();
            // What is computed somewhere on the line may be anything, but its names are known.
            let words = words.unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            let one = |word: String| {
                let (name, value) = word.split_once('=')?;
                Some((name.to_owned(), literal(all.then(|| value.to_owned()))))
            };
            words.into_iter().filter_map(one).collect()
        }
        ("unset", Shell::Posix) => rest.split_whitespace().map(|name| (name.to_owned(), None)).collect(),
        ("set", Shell::Fish) => fish(rest, margin),
        // Not exported here; but exported before, it is another value from here on.
        _ => plain(line).into_iter().collect(),
    }
}

fn plain(line: &str) -> Option<(String, Option<String>)> {
    let (name, _) = line.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), None))
}

fn fish(rest: &str, margin: bool) -> Vec<(String, Option<String>)> {
    let words = words(rest);
    let raw: Vec<String> = match &words {
        Some(words) => words.clone(),
        None => rest.split_whitespace().map(str::to_owned).collect(),
    };
    let options = raw.iter().take_while(|word| word.starts_with('-')).count();
    let has = |short: char, long: &str| {
        raw[..options].iter().any(|option| option == long || (!option.starts_with("--") && option.contains(short)))
    };
    let Some(name) = raw.get(options) else { return Vec::new() };
    let exported = has('x', "--export") && !has('e', "--erase") && !has('u', "--unexport");
    // One word: several are a list.
    let value = match &raw[options + 1..] {
        [value] if margin && exported && words.is_some() => Some(value.clone()),
        _ => None,
    };
    vec![(name.clone(), value)]
}

/// Literal words up to a comment. `None` if anything on the line is more than that.
fn words(text: &str) -> Option<Vec<String>> {
    const PLAIN: &str = "_-./:+=@%,^";
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '#' if word.is_none() => break,
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '$' | '`' | '\\' | '!' if c == '"' => return None,
                        '\\' => return None,
                        inner => text.push(inner),
                    }
                }
            }
            c if c.is_alphanumeric() || PLAIN.contains(c) => word.get_or_insert_default().push(c),
            _ => return None,
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str, shell: Shell) -> Vec<(String, String, usize)> {
        exports(text, shell).into_iter().map(|(name, (value, line))| (name, value, line)).collect()
    }

    fn some(name: &str, value: &str, line: usize) -> Vec<(String, String, usize)> {
        vec![(name.to_owned(), value.to_owned(), line)]
    }

    #[test]
    fn literal_values_only() {
        let none = Vec::new();
        for (text, expected) in [
            ("export A=sk-1_x.y/z", some("A", "sk-1_x.y/z", 1)),
            ("# c\nexport A='a b' # why", some("A", "a b", 2)),
            ("export A=\"a#b\"", some("A", "a#b", 1)),
            ("export A=a'b'\"c\"", some("A", "abc", 1)),
            ("export\tA=1", some("A", "1", 1)),
            ("export A=", some("A", "", 1)),
            ("export A=1\nexport A=2", some("A", "2", 2)),
            ("export A=$B", none.clone()),
            ("export A=`cmd`", none.clone()),
            ("export A=\"$(pass show x)\"", none.clone()),
            ("export A=x\\y", none.clone()),
            ("export A=x;echo", none.clone()),
            ("export A=x && y", none.clone()),
            ("export A='open", none.clone()),
            ("export A=~/x", none.clone()),
            ("A=1", none.clone()),
            ("export A", none.clone()),
            ("#export A=1", none.clone()),
            ("  export A=1", none.clone()),
            ("echo export A=1", none.clone()),
            ("export A=1\nexport A=$(pass)", none.clone()),
            ("export A=1\nif x; then\n  export A=2\nfi", none.clone()),
            ("export A=1\nunset A", none.clone()),
            ("export A=1\nA=2", none.clone()),
            ("cat <<EOF\nexport A=1\nEOF\nexport B=2", some("B", "2", 4)),
            ("cat <<-'END' >x\nexport A=1\n\tEND\n", none.clone()),
            ("cat <<< word\nexport B=2", some("B", "2", 2)),
            ("x=$((1 << 2))\nexport B=2", some("B", "2", 2)),
            ("echo \\\nexport A=1\nexport B=2", some("B", "2", 3)),
            ("export A=1\\\n2", none.clone()),
            ("", none.clone()),
        ] {
            assert_eq!(pairs(text, Shell::Posix), expected, "{text:?}");
        }
        assert_eq!(pairs("export A=1 B='2'", Shell::Posix).len(), 2);
    }

    #[test]
    fn fish_sets() {
        let none = Vec::new();
        for (text, expected) in [
            ("set -gx A sk-1", some("A", "sk-1", 1)),
            ("set -g -x A 'a b'", some("A", "a b", 1)),
            ("set --export --global A \"x\" # why", some("A", "x", 1)),
            ("set -Ux A x", some("A", "x", 1)),
            ("export A=x", some("A", "x", 1)),
            ("set -g A x", none.clone()),
            ("set -gx A x y", none.clone()),
            ("set -gx A (pass x)", none.clone()),
            ("set -gx A $B", none.clone()),
            ("set -gx A x\nset -e A", none.clone()),
            ("set -gx A x\nset -gu A x", none.clone()),
            ("    set -gx A x", none.clone()),
            ("set", none.clone()),
            ("set -gx", none.clone()),
        ] {
            assert_eq!(pairs(text, Shell::Fish), expected, "{text:?}");
        }
        assert!(pairs("set -gx A x", Shell::Posix).is_empty());
    }

    #[test]
    fn universal_variables_of_fish() {
        for (line, value) in [
            ("SETUVAR --export A:sk\\x2dproj\\x2d1", Some("sk-proj-1")),
            ("SETUVAR --export A:plain_1", Some("plain_1")),
            ("SETUVAR --export --path A:x", Some("x")),
            ("SETUVAR --export A:\\xc3\\xa9\\u20ac\\\\", Some("é€\\")),
            ("SETUVAR --export A:", Some("")),
            ("SETUVAR A:not exported", None),
            ("SETUVAR --export A:one\\x1etwo", None),
            ("SETUVAR --export A:cut\\x2", None),
            ("SETUVAR --export A:\\xff", None),
            ("SETUVAR --export A", None),
            ("# SETUVAR --export A:1", None),
        ] {
            let found = universal(&format!("# VERSION: 3.0\n{line}\n"));
            assert_eq!(found.get("A").map(String::as_str), value, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn universal_variables_never_panic(text in "(SETUVAR --export [AB]:)?[a-f0-9xuU\\\\:é ]{0,30}") {
            let _ = universal(&text);
        }

        #[test]
        fn never_panics_and_never_computes(text in "(export |set -gx |unset )?[A-C= '\"$`\\\\#\n<;x-]{0,40}") {
            for shell in [Shell::Posix, Shell::Fish] {
                for (value, _) in exports(&text, shell).into_values() {
                    // In quotes these are plain characters; a `$` is kept only between single ones.
                    proptest::prop_assert!(!value.contains('$') || text.contains('\''), "{text:?} {value:?}");
                }
            }
        }
    }
}
