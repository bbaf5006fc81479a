//! A key that settings name instead of holding. Variables are looked up, programs are never run. What cannot be looked up is
//! said without repeating more of the text than a name: people also write keys where names belong.

use crate::domain::{Environment, Secret};

/// The value of a variable, or why there is none.
pub(super) fn variable(name: &str, env: &Environment) -> Result<Secret, String> {
    match env.get(name) {
        Some(value) => Ok(Secret::new(value.to_owned())),
        None => Err(format!("{} is not set in this environment", named(name))),
    }
}

/// What a shell would make of `text`, as far as that is one variable or no variable at all.
pub(super) fn shell(text: &str, env: &Environment) -> Result<Secret, String> {
    let text = text.trim();
    if text.contains("$(") || text.contains('`') {
        return Err("a command would give it; commands are never run here".to_owned());
    }
    match text.strip_prefix('$') {
        Some(rest) => {
            let name = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest);
            if is_name(name) {
                variable(name, env)
            } else {
                Err("it is put together by a shell; only $NAME and ${NAME} are looked up here".to_owned())
            }
        }
        None if text.contains('$') => {
            Err("it is put together by a shell; only $NAME and ${NAME} are looked up here".to_owned())
        }
        None => Ok(Secret::new(text.to_owned())),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `the variable NAME`, if that looks like a name and like nothing else.
pub(super) fn named(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if is_name(name) && name.len() <= 64 && name.bytes().all(plain) {
        format!("the variable {name}")
    } else {
        "the variable it names".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_up_and_what_is_not() {
        let mut env = Environment::default();
        env.set("OPENAI_API_KEY", " sk-1 ");
        env.set("BLANK", " ");
        let shell = |text: &str| shell(text, &env).map(|secret| secret.expose().to_owned());
        let not_set = |what: &str| Err(format!("{what} is not set in this environment"));
        let composed = Err("it is put together by a shell; only $NAME and ${NAME} are looked up here".to_owned());
        let command = Err("a command would give it; commands are never run here".to_owned());
        assert_eq!(shell("$OPENAI_API_KEY"), Ok("sk-1".to_owned()));
        assert_eq!(shell(" ${OPENAI_API_KEY} "), Ok("sk-1".to_owned()));
        assert_eq!(shell("sk-2"), Ok("sk-2".to_owned()));
        assert_eq!(shell("$BLANK"), not_set("the variable BLANK"));
        assert_eq!(shell("${GONE}"), not_set("the variable GONE"));
        for text in ["$", "${}", "$1", "a$OPENAI_API_KEY", "${A:-b}", "$sk-ant-secret"] {
            assert_eq!(shell(text), composed, "{text}");
        }
        for text in ["$(cat key)", "`cat key`", "${A:-$(x)}"] {
            assert_eq!(shell(text), command, "{text}");
        }
        assert_eq!(
            shell("$gsk_secret"),
            not_set("the variable it names"),
            "a key where a name belongs is not repeated"
        );
    }
}
