//! The templates of messages, embedded. Names that end in `.html` are escaped by minijinja.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    templates.set_syntax(syntax.expect("the usual delimiters"));
    for (name, source) in [
        ("message.txt", include_str!("templates/message.txt")),
        ("message.html", include_str!("templates/message.html")),
    ] {
        templates.add_template(name, source).expect("embedded templates are parsed by a test");
    }
    templates
});

/// Fills one of our templates.
pub(super) fn fill(name: &str, view: &Value) -> String {
    let template = TEMPLATES.get_template(name).expect("embedded");
    template.render(view).expect("every variable is given, which the tests of `render` show for each kind of message")
}
