//! `.netrc` in the home directory, or where `NETRC` says: there `wandb login` puts its key, and some people their token for
//! Hugging Face. Passwords of machines that are no AI provider's are not even looked at.

use std::path::PathBuf;

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source};
use crate::domain::Kind;

/// See the module.
pub struct Netrc;

const NAME: &str = "netrc";

/// Machine, provider, what to do.
const MACHINES: [(&str, &str, &str); 2] = [
    ("api.wandb.ai", "wandb", "Run `wandb login --relogin`."),
    (
        "huggingface.co",
        "huggingface",
        "Make a new token at https://huggingface.co/settings/tokens, then set it in .netrc.",
    ),
];

impl Source for Netrc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let named = scene.env.get("NETRC").map(|path| scene.env.expand(path));
        let path: PathBuf = named.unwrap_or_else(|| scene.env.home().join(".netrc"));
        let mut file = LoginFile::new(NAME, "wandb", path, "Make it a readable file of this user.").settings();
        if let Some(mut machines) = file.open(Format::Netrc, harvest) {
            for (machine, provider, fix) in MACHINES {
                let what = (machine, provider, Kind::ApiKey);
                let Some(mut found) = file.key_in(what, &mut machines, (machine, ""), scene, harvest) else { continue };
                fix.clone_into(&mut found.credential.fix);
                harvest.found.push(found);
            }
        }
        file.close(harvest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, credentials, every_broken_file};
    use super::*;
    use crate::domain::{Condition, Renewal};

    #[test]
    fn keys_of_known_machines_only() {
        let mut home = Home::new();
        home.write(
            ".netrc",
            "machine api.wandb.ai\n login user\n password wandb-key\nmachine ftp.example.org login me password private\nmachine huggingface.co password \"\"\n",
        );
        let harvest = home.read(&Netrc);
        let found = credentials(&harvest);
        let facts: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.provider.as_str(), one.renewal)).collect();
        let expected =
            [("netrc:api.wandb.ai", "wandb", Renewal::None), ("netrc:huggingface.co", "huggingface", Renewal::None)];
        assert_eq!(facts, expected);
        assert_eq!(found[1].condition, Condition::Blanked);
        assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "wandb-key");
        assert!(harvest.findings.is_empty());

        home.write("elsewhere", "machine api.wandb.ai password other");
        home.env.set("NETRC", "~/elsewhere");
        assert_eq!(home.read(&Netrc).found[0].secret.as_ref().unwrap().expose(), "other");
    }

    #[test]
    fn broken_files() {
        every_broken_file(&Netrc, ".netrc", &[], false);
    }
}
