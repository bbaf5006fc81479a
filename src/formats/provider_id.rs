//! Provider and agent ids as the gateways normalise them.

/// Trimmed, lower-case, with the gateways' own aliases resolved (`z.ai` → `zai`).
#[must_use]
pub fn normalize(provider: &str) -> String {
    let id = super::javascript::trim(provider).to_lowercase();
    match id.as_str() {
        "z.ai" | "z-ai" => "zai".to_owned(),
        "opencode-zen" => "opencode".to_owned(),
        "qwen" => "qwen-portal".to_owned(),
        "kimi-code" => "kimi-coding".to_owned(),
        _ => id,
    }
}

/// The provider that a tool (not a gateway) calls `name`: tools agree on the well-known ones, and spell the rest differently.
#[must_use]
pub fn of_tool(name: &str) -> String {
    let id = normalize(name);
    let known = match id.as_str() {
        "claude" => "anthropic",
        "openai-native" | "openai-responses" | "text-completion-openai" => "openai",
        "gemini" | "google-gemini" | "google-genai" | "google-ai" | "google_ai" => "google",
        "vertexai" | "vertex-ai" | "vertex_ai" | "vertex" | "gcp_vertex_ai" => "google-vertex",
        "copilot" | "github_copilot" => "github-copilot",
        "bedrock" | "aws_bedrock" => "amazon-bedrock",
        "azure_ai" | "azure-openai" | "azure_openai" => "azure",
        "together" | "together_ai" | "together-ai" => "togetherai",
        "fireworks" | "fireworks_ai" => "fireworks-ai",
        "mistralai" | "codestral" => "mistral",
        "moonshotai" | "moonshot-ai" => "moonshot",
        "nvidia_nim" | "nvidia-nim" => "nvidia",
        "perplexity-ai" => "perplexity",
        "hugging-face" | "hugging_face" => "huggingface",
        "deep-seek" => "deepseek",
        "open-router" => "openrouter",
        "vercel" | "vercel_ai_gateway" => "vercel-ai-gateway",
        "cohere_chat" => "cohere",
        "lm-studio" | "lm_studio" => "lmstudio",
        "ollama-cloud" | "ollama_chat" => "ollama",
        _ => return id,
    };
    known.to_owned()
}

/// The provider whose own API answers at `url`; otherwise the host itself, which is then the provider: a key for somebody's
/// proxy is not the vendor's key, and must not be judged (or tried) as one. `None`: no URL.
#[must_use]
pub fn of_url(url: &str) -> Option<String> {
    let rest = url.trim().split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    // What stands before an @ may be a password.
    let host = authority.rsplit('@').next()?;
    let name = if host.starts_with('[') { host.split(']').next()? } else { host.split(':').next()? };
    let name = name.trim_start_matches('[').trim_end_matches('.').to_lowercase();
    if name.len() > 253 || name.contains(|c: char| !c.is_alphanumeric() && !".-_:".contains(c)) {
        return None;
    }
    let provider = match name.as_str() {
        "" => return None,
        "api.anthropic.com" => "anthropic",
        "api.openai.com" => "openai",
        "generativelanguage.googleapis.com" => "google",
        "openrouter.ai" => "openrouter",
        "api.groq.com" => "groq",
        "api.mistral.ai" => "mistral",
        "api.x.ai" => "xai",
        "api.deepseek.com" => "deepseek",
        "api.moonshot.ai" => "moonshot",
        "api.moonshot.cn" => "moonshot-cn",
        "api.cohere.com" | "api.cohere.ai" => "cohere",
        "router.huggingface.co" | "api-inference.huggingface.co" => "huggingface",
        "ai-gateway.vercel.sh" => "vercel-ai-gateway",
        "api.perplexity.ai" => "perplexity",
        "integrate.api.nvidia.com" => "nvidia",
        "ollama.com" => "ollama",
        "api.sambanova.ai" => "sambanova",
        "api.together.xyz" | "api.together.ai" => "togetherai",
        "api.fireworks.ai" => "fireworks-ai",
        "api.cerebras.ai" => "cerebras",
        "api.z.ai" => "zai",
        "api.venice.ai" => "venice",
        _ => return Some(name),
    };
    Some(provider.to_owned())
}

/// An agent id: trimmed, lower-case; anything but `[a-z0-9_-]` becomes `-`, edges are stripped, 64 characters at most, and
/// nothing at all is `main`.
#[must_use]
pub fn normalize_agent(agent: &str) -> String {
    let id = super::javascript::trim(agent).to_lowercase();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let fits = !id.is_empty() && id.len() <= 64 && id.chars().all(allowed) && !id.starts_with(['_', '-']);
    if fits {
        return id;
    }
    let mut cleaned = String::with_capacity(id.len());
    for c in id.chars() {
        if allowed(c) {
            cleaned.push(c);
        } else if !cleaned.ends_with('-') {
            cleaned.push('-');
        }
    }
    let cleaned: String = cleaned.trim_matches('-').chars().take(64).collect();
    if cleaned.is_empty() { "main".to_owned() } else { cleaned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_names_and_urls() {
        for (raw, want) in [("Gemini", "google"), ("together_ai", "togetherai"), ("z.ai", "zai"), ("mine", "mine")] {
            assert_eq!(of_tool(raw), want, "{raw:?}");
        }
        let table = [
            ("https://api.openai.com/v1", Some("openai")),
            ("https://API.OpenAI.com.:443", Some("openai")),
            ("https://api.openai.com.evil.example/v1", Some("api.openai.com.evil.example")),
            ("https://api.openai.com@evil.example/v1", Some("evil.example")),
            ("http://localhost:4000?x", Some("localhost")),
            ("http://[::1]:4000/v1", Some("::1")),
            ("https:///v1", None),
            ("https://two words/v1", None),
            ("api.openai.com", None),
            ("", None),
        ];
        for (url, want) in table {
            assert_eq!(of_url(url).as_deref(), want, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_for_a_url(text in "\\PC{0,60}", url in "[a-z]{1,5}://[a-z@:/?#.\\[\\]]{0,30}") {
            for text in [text, url] {
                let host = of_url(&text).unwrap_or_default();
                assert!(!host.contains(['/', '@', '?', '#']));
                let _ = of_tool(&text);
            }
        }
    }

    #[test]
    fn agents() {
        for (raw, want) in [("", "main"), ("日本", "main"), ("a  b", "a-b"), ("main", "main"), ("-x-", "x")] {
            assert_eq!(normalize_agent(raw), want, "{raw:?}");
        }
    }
}
