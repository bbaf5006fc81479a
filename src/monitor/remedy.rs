//! Where a new key is made: sources name the provider, the catalog knows the page. Only for what needs a remedy, because most
//! looks at a machine need none and then never read the catalog.

use crate::domain::Snapshot;
use crate::providers::Catalog;

/// Puts the address of the provider's page into each remedy that only names the provider.
pub fn addresses(snapshot: &mut Snapshot) {
    for assessed in &mut snapshot.credentials {
        if let Some(fix) = &mut assessed.judgement.fix {
            address(fix, &assessed.credential.provider);
        }
    }
}

fn address(fix: &mut String, provider: &str) {
    let named = format!("ew key at {provider},");
    if !fix.contains(&named) {
        return;
    }
    let renew = Catalog::get().provider(provider).map(|row| row.renew.as_str()).unwrap_or_default();
    let page = renew.split([' ', ',']).find(|word| word.starts_with("https://"));
    if let Some(page) = page.filter(|_| renew.starts_with("make a key at ")) {
        *fix = fix.replacen(&named, &format!("ew key at {page},"), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_where_the_catalog_knows_one() {
        for (fix, provider, expected) in [
            (
                "Make a new key at anthropic, then set X in ~/.env.",
                "anthropic",
                "Make a new key at https://console.anthropic.com/settings/keys, then set X in ~/.env.",
            ),
            ("Make a new key at mine, then set X.", "mine", "Make a new key at mine, then set X."),
            ("claude auth login", "anthropic", "claude auth login"),
            // No page of keys: the provider's name says as much.
            ("Make a new key at azure, then set X.", "azure", "Make a new key at azure, then set X."),
        ] {
            let mut said = fix.to_owned();
            address(&mut said, provider);
            assert_eq!(said, expected);
        }
    }
}
