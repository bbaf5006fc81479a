//! Takes names out of an order, in a store (`order`) or in the gateway's config (`auth.order`). Everything else stays as it is
//! written, comments too. Pure.

use jsonc_parser::cst::CstArray;

use super::tree_edit::{self, Tree};

/// The text without these names in the list at `path` (keys, outermost first); `None` if none of them is there.
///
/// # Errors
/// Why it cannot be edited: it does not parse, there is no such list in this file, or nothing would be left of it, which means
/// something else than a shorter list. Quotes nothing.
pub fn prune(text: &str, path: &[&str], ids: &[String]) -> Result<Option<String>, &'static str> {
    let tree = Tree::parse(text).map_err(|_| "does not parse")?;
    let list = list_at(&tree, path).ok_or("has no such order itself (does it include another file?)")?;
    let names = tree_edit::strings(&list);
    if !names.iter().any(|name| ids.contains(name)) {
        return Ok(None);
    }
    if names.iter().all(|name| ids.contains(name)) {
        return Err("would have an empty order, which means that no profile is used");
    }
    for id in ids {
        tree_edit::remove_string(&list, id);
    }
    Ok(Some(tree.into_text()))
}

fn list_at(tree: &Tree, path: &[&str]) -> Option<CstArray> {
    let (key, above) = path.split_last()?;
    let object = tree_edit::find(&tree.object().ok()?, above)?;
    tree_edit::property(&object, key)?.array_value()
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
