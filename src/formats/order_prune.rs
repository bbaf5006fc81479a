//! Takes names out of an order, in a store (`order`) or in the gateway's config (`auth.order`). Everything else stays as it is
//! written, comments too. Pure.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstArray, CstNode, CstObject, CstRootNode};

/// The text without these names in the list at `path` (keys, outermost first); `None` if none of them is there.
///
/// # Errors
/// Why it cannot be edited: it does not parse, there is no such list in this file, or nothing would be left of it, which means
/// something else than a shorter list. Quotes nothing.
pub fn prune(text: &str, path: &[&str], ids: &[String]) -> Result<Option<String>, &'static str> {
    let root = CstRootNode::parse(text, &ParseOptions::default()).map_err(|_| "does not parse")?;
    let list = root.object_value().and_then(|root| list_at(&root, path));
    let list = list.ok_or("has no such order itself (does it include another file?)")?;
    let named = |node: &CstNode| node.as_string_lit().and_then(|text| text.decoded_value().ok());
    let (dead, alive): (Vec<CstNode>, Vec<CstNode>) =
        list.elements().into_iter().partition(|node| named(node).is_some_and(|name| ids.contains(&name)));
    if dead.is_empty() {
        return Ok(None);
    }
    if alive.is_empty() {
        return Err("would have an empty order, which means that no profile is used");
    }
    dead.into_iter().for_each(CstNode::remove);
    Ok(Some(root.to_string()))
}

fn list_at(object: &CstObject, path: &[&str]) -> Option<CstArray> {
    let (key, rest) = path.split_first()?;
    // Of several equal keys the last counts.
    let property = object
        .properties()
        .into_iter()
        .rev()
        .find(|one| one.name().and_then(|n| n.decoded_value().ok()).as_deref() == Some(key))?;
    match rest {
        [] => property.array_value(),
        rest => list_at(&property.object_value()?, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(text: &str, ids: &[&str]) -> Result<Option<String>, &'static str> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        prune(text, &["auth", "order", "z.ai"], &ids)
    }

    #[test]
    fn only_the_names_go() {
        let text = "// mine\n{\n  auth: { // logins\n    order: { 'z.ai': ['a', 'gone', /* best */ \"b\",], y: ['gone'] },\n  },\n  other: 1.50,\n}\n";
        let after = pruned(text, &["gone"]).expect("edited").expect("changed");
        assert!(!after.contains("'a', 'gone'") && after.contains("y: ['gone']"), "{after}");
        for kept in ["// mine", "// logins", "/* best */", "other: 1.50", "'a'", "\"b\""] {
            assert!(after.contains(kept), "{kept} is lost: {after}");
        }
        assert_eq!(pruned(&after, &["gone"]), Ok(None), "again: nothing");
        assert_eq!(pruned(text, &["x"]), Ok(None));
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for text in [
            "{auth: {order: {'z.ai': ['a']}}}",
            "{auth: {order: {}}}",
            "{$include: './x'}",
            "[]",
            "{",
            "{auth: {order: {'z.ai': 'a'}}}",
        ] {
            assert!(pruned(text, &["a"]).is_err(), "{text}");
        }
        assert_eq!(
            pruned("{auth: {order: {'z.ai': ['a'], 'z.ai': ['b', 'a']}}}", &["a"]).expect("edited").as_deref(),
            Some("{auth: {order: {'z.ai': ['a'], 'z.ai': ['b']}}}")
        );
    }
}
