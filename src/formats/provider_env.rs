//! Which environment variable holds which provider's secret: a table and look-ups, nothing else.
//!
//! Only names that hold a secret are listed; regions, project names and base URLs are not. Keys that administer an account
//! and cannot call a model have a provider id of their own (`openai-admin`), so that nobody takes them for a usable key.

use crate::domain::Kind;

/// One provider and the variables that may hold its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderEnv {
    /// Provider id, as the gateway normalises it where the gateway knows the provider.
    pub provider: &'static str,
    /// What the gateway reads, in its own order: the first that is not blank wins. Empty: the gateway never looks.
    pub gateway: &'static [&'static str],
    /// What only tools, vendors' libraries and other agents read.
    pub others: &'static [&'static str],
}

impl ProviderEnv {
    /// All its variables, the gateway's first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.gateway.iter().chain(self.others).copied()
    }
}

const fn row(provider: &'static str, gateway: &'static [&'static str], others: &'static [&'static str]) -> ProviderEnv {
    ProviderEnv { provider, gateway, others }
}

/// Every provider. A name that several providers read (`MINIMAX_API_KEY`) belongs to the first that lists it.
pub const TABLE: &[ProviderEnv] = &[
    // Those that the gateway looks up (its own order of names).
    row(
        "anthropic",
        &["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"],
        &["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
    ),
    row("openai", &["OPENAI_API_KEY"], &[]),
    row("google", &["GEMINI_API_KEY"], &["GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"]),
    row("github-copilot", &["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"], &[]),
    row("chutes", &["CHUTES_OAUTH_TOKEN", "CHUTES_API_KEY"], &[]),
    row(
        "zai",
        &["ZAI_API_KEY", "Z_AI_API_KEY"],
        &["ZHIPU_API_KEY", "ZHIPUAI_API_KEY", "BIGMODEL_API_KEY", "GLM_API_KEY"],
    ),
    row("opencode", &["OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY"], &[]),
    row("qwen-portal", &["QWEN_OAUTH_TOKEN", "QWEN_PORTAL_API_KEY"], &[]),
    row("minimax", &["MINIMAX_API_KEY"], &["MINIMAX_CODING_API_KEY"]),
    row("minimax-portal", &["MINIMAX_OAUTH_TOKEN", "MINIMAX_API_KEY"], &[]),
    row(
        "kimi-coding",
        &["KIMI_API_KEY", "KIMICODE_API_KEY"],
        &["KIMI_CODE_API_KEY", "KIMI_CODING_API_KEY", "KIMI_AUTH_TOKEN"],
    ),
    row("moonshot", &["MOONSHOT_API_KEY"], &["MOONSHOT_KEY"]),
    row("voyage", &["VOYAGE_API_KEY"], &[]),
    row("groq", &["GROQ_API_KEY"], &[]),
    row("deepgram", &["DEEPGRAM_API_KEY"], &[]),
    row("cerebras", &["CEREBRAS_API_KEY"], &[]),
    row("xai", &["XAI_API_KEY"], &["GROK_OAUTH_TOKEN"]),
    row("openrouter", &["OPENROUTER_API_KEY"], &[]),
    row("vercel-ai-gateway", &["AI_GATEWAY_API_KEY"], &["VERCEL_API_KEY", "VERCEL_OIDC_TOKEN"]),
    row("cloudflare-ai-gateway", &["CLOUDFLARE_AI_GATEWAY_API_KEY"], &["CLOUDFLARE_API_TOKEN"]),
    row("xiaomi", &["XIAOMI_API_KEY"], &[]),
    row("synthetic", &["SYNTHETIC_API_KEY"], &[]),
    row("venice", &["VENICE_API_KEY"], &["VENICE_KEY"]),
    row("mistral", &["MISTRAL_API_KEY"], &[]),
    row("qianfan", &["QIANFAN_API_KEY"], &[]),
    row("ollama", &["OLLAMA_API_KEY"], &[]),
    row("amazon-bedrock", &["AWS_BEARER_TOKEN_BEDROCK"], &["AWS_SECRET_ACCESS_KEY"]),
    // The rest: public catalogues of providers, vendors' documentation, search, voice, agents and channels.
    row("302ai", &[], &["302AI_API_KEY"]),
    row("abacus", &[], &["ABACUS_API_KEY"]),
    row("abliteration-ai", &[], &["ABLIT_KEY"]),
    row("aihubmix", &[], &["AIHUBMIX_API_KEY"]),
    row("alibaba", &[], &["DASHSCOPE_API_KEY", "ALIBABA_QWEN_API_KEY"]),
    row("alibaba-coding-plan", &[], &["ALIBABA_CODING_PLAN_API_KEY"]),
    row("alibaba-token-plan", &[], &["ALIBABA_TOKEN_PLAN_API_KEY"]),
    row("ambient", &[], &["AMBIENT_API_KEY"]),
    row("amp", &[], &["AMP_API_KEY"]),
    row("anthropic-admin", &[], &["ANTHROPIC_ADMIN_KEY"]),
    row("anthropic-foundry", &[], &["ANTHROPIC_FOUNDRY_API_KEY"]),
    row("anyapi", &[], &["ANYAPI_API_KEY"]),
    row("assemblyai", &[], &["ASSEMBLYAI_API_KEY"]),
    row("atomic-chat", &[], &["ATOMIC_CHAT_API_KEY"]),
    row("auriko", &[], &["AURIKO_API_KEY"]),
    row("azure", &[], &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"]),
    row("azure-cognitive-services", &[], &["AZURE_COGNITIVE_SERVICES_API_KEY"]),
    row("bailing", &[], &["BAILING_API_TOKEN"]),
    row("baseten", &[], &["BASETEN_API_KEY"]),
    row("berget", &[], &["BERGET_API_KEY"]),
    row("brave", &[], &["BRAVE_API_KEY", "BRAVE_SEARCH_API_KEY"]),
    row("clarifai", &[], &["CLARIFAI_PAT"]),
    row("claudinio", &[], &["CLAUDINIO_API_KEY"]),
    row("cloudferro-sherlock", &[], &["CLOUDFERRO_SHERLOCK_API_KEY"]),
    row("cloudflare-workers-ai", &[], &["CLOUDFLARE_API_KEY"]),
    row("codebuff", &[], &["CODEBUFF_API_KEY"]),
    row("cohere", &[], &["COHERE_API_KEY", "CO_API_KEY"]),
    row("cortecs", &[], &["CORTECS_API_KEY"]),
    row("crof", &[], &["CROF_API_KEY"]),
    row("cursor", &[], &["CURSOR_API_KEY", "CURSOR_AUTH_TOKEN"]),
    row("databricks", &[], &["DATABRICKS_TOKEN"]),
    row("deepinfra", &[], &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"]),
    row("deepseek", &[], &["DEEPSEEK_API_KEY", "DEEPSEEK_KEY"]),
    row("digitalocean", &[], &["DIGITALOCEAN_ACCESS_TOKEN"]),
    row("dinference", &[], &["DINFERENCE_API_KEY"]),
    row("discord", &[], &["DISCORD_BOT_TOKEN", "DISCORD_TOKEN"]),
    row("drun", &[], &["DRUN_API_KEY"]),
    row("elevenlabs", &[], &["ELEVENLABS_API_KEY", "XI_API_KEY"]),
    row("evroc", &[], &["EVROC_API_KEY"]),
    row("exa", &[], &["EXA_API_KEY"]),
    row("factory", &[], &["FACTORY_API_KEY"]),
    row("fastrouter", &[], &["FASTROUTER_API_KEY"]),
    row("firecrawl", &[], &["FIRECRAWL_API_KEY"]),
    row("fireworks-ai", &[], &["FIREWORKS_API_KEY", "FIREWORKS_KEY"]),
    row("freemodel", &[], &["FREEMODEL_API_KEY"]),
    row("friendli", &[], &["FRIENDLI_TOKEN"]),
    row("frogbot", &[], &["FROGBOT_API_KEY"]),
    row("gitlab", &[], &["GITLAB_TOKEN"]),
    row("gmicloud", &[], &["GMICLOUD_API_KEY"]),
    row("google-gemini-cli", &[], &["GOOGLE_CLOUD_ACCESS_TOKEN"]),
    row("google-vertex", &[], &["GOOGLE_CLOUD_API_KEY"]),
    row("helicone", &[], &["HELICONE_API_KEY"]),
    row("hpc-ai", &[], &["HPC_AI_API_KEY"]),
    row("huggingface", &[], &["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN"]),
    row("iflowcn", &[], &["IFLOW_API_KEY"]),
    row("inception", &[], &["INCEPTION_API_KEY"]),
    row("inceptron", &[], &["INCEPTRON_API_KEY"]),
    row("inference", &[], &["INFERENCE_API_KEY"]),
    row("io-net", &[], &["IOINTELLIGENCE_API_KEY"]),
    row("jiekou", &[], &["JIEKOU_API_KEY"]),
    row("jina", &[], &["JINA_API_KEY"]),
    row("kilo", &[], &["KILO_API_KEY"]),
    row("kuae-cloud-coding-plan", &[], &["KUAE_API_KEY"]),
    row("lilac", &[], &["LILAC_API_KEY"]),
    row("litellm", &[], &["LITELLM_API_KEY", "LITELLM_MASTER_KEY"]),
    row("llama", &[], &["LLAMA_API_KEY"]),
    row("llm-proxy", &[], &["LLM_PROXY_API_KEY"]),
    row("llmgateway", &[], &["LLMGATEWAY_API_KEY"]),
    row("llmtr", &[], &["LLMTR_API_KEY"]),
    row("lmstudio", &[], &["LMSTUDIO_API_KEY"]),
    row("lucidquery", &[], &["LUCIDQUERY_API_KEY"]),
    row("matrix", &[], &["MATRIX_ACCESS_TOKEN"]),
    row("meganova", &[], &["MEGANOVA_API_KEY"]),
    row("merge-gateway", &[], &["MERGE_GATEWAY_API_KEY"]),
    row("mixlayer", &[], &["MIXLAYER_API_KEY"]),
    row("moark", &[], &["MOARK_API_KEY"]),
    row("modelscope", &[], &["MODELSCOPE_API_KEY"]),
    row("morph", &[], &["MORPH_API_KEY"]),
    row("nano-gpt", &[], &["NANO_GPT_API_KEY"]),
    row("nearai", &[], &["NEARAI_API_KEY"]),
    row("nebius", &[], &["NEBIUS_API_KEY"]),
    row("neon", &[], &["NEON_AI_GATEWAY_TOKEN"]),
    row("neuralwatt", &[], &["NEURALWATT_API_KEY"]),
    row("nova", &[], &["NOVA_API_KEY"]),
    row("novita-ai", &[], &["NOVITA_API_KEY"]),
    row("nvidia", &[], &["NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY", "NGC_API_KEY"]),
    row("openai-admin", &[], &["OPENAI_ADMIN_KEY"]),
    row("openai-codex", &[], &["CODEX_API_KEY", "CODEX_ACCESS_TOKEN"]),
    row("orcarouter", &[], &["ORCAROUTER_API_KEY"]),
    row("ovhcloud", &[], &["OVHCLOUD_API_KEY"]),
    row("perplexity", &[], &["PERPLEXITY_API_KEY", "PPLX_API_KEY"]),
    row("poe", &[], &["POE_API_KEY"]),
    row("poolside", &[], &["POOLSIDE_API_KEY"]),
    row("privatemode-ai", &[], &["PRIVATEMODE_API_KEY"]),
    row("qihang-ai", &[], &["QIHANG_API_KEY"]),
    row("qiniu-ai", &[], &["QINIU_API_KEY"]),
    row("regolo-ai", &[], &["REGOLO_API_KEY"]),
    row("replicate", &[], &["REPLICATE_API_TOKEN"]),
    row("requesty", &[], &["REQUESTY_API_KEY"]),
    row("routing-run", &[], &["ROUTING_RUN_API_KEY"]),
    row("sakana", &[], &["SAKANA_API_KEY"]),
    row("sap-ai-core", &[], &["AICORE_SERVICE_KEY"]),
    row("sarvam", &[], &["SARVAM_API_KEY"]),
    row("scaleway", &[], &["SCALEWAY_API_KEY", "SCW_SECRET_KEY"]),
    row("serpapi", &[], &["SERPAPI_API_KEY"]),
    row("serper", &[], &["SERPER_API_KEY"]),
    row("siliconflow", &[], &["SILICONFLOW_API_KEY"]),
    row("siliconflow-cn", &[], &["SILICONFLOW_CN_API_KEY"]),
    row("slack", &[], &["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]),
    row("snowflake-cortex", &[], &["SNOWFLAKE_CORTEX_PAT"]),
    row("stackit", &[], &["STACKIT_API_KEY"]),
    row("stepfun", &[], &["STEPFUN_API_KEY"]),
    row("subconscious", &[], &["SUBCONSCIOUS_API_KEY"]),
    row("submodel", &[], &["SUBMODEL_INSTAGEN_ACCESS_KEY"]),
    row("tavily", &[], &["TAVILY_API_KEY"]),
    row("telegram", &[], &["TELEGRAM_BOT_TOKEN"]),
    row("tencent-coding-plan", &[], &["TENCENT_CODING_PLAN_API_KEY"]),
    row("tencent-tokenhub", &[], &["TENCENT_TOKENHUB_API_KEY"]),
    row("the-grid-ai", &[], &["THEGRIDAI_API_KEY"]),
    row("tinfoil", &[], &["TINFOIL_API_KEY"]),
    row("togetherai", &[], &["TOGETHER_API_KEY", "TOGETHERAI_API_KEY"]),
    row("umans-ai", &[], &["UMANS_AI_API_KEY"]),
    row("umans-ai-coding-plan", &[], &["UMANS_AI_CODING_PLAN_API_KEY"]),
    row("upstage", &[], &["UPSTAGE_API_KEY"]),
    row("v0", &[], &["V0_API_KEY"]),
    row("vivgrid", &[], &["VIVGRID_API_KEY"]),
    row("volcengine", &[], &["ARK_API_KEY", "VOLCENGINE_API_KEY", "DOUBAO_API_KEY"]),
    row("vultr", &[], &["VULTR_API_KEY"]),
    row("wafer.ai", &[], &["WAFER_API_KEY"]),
    row("wandb", &[], &["WANDB_API_KEY"]),
    row("warp", &[], &["WARP_API_KEY"]),
    row("xai-management", &[], &["XAI_MANAGEMENT_API_KEY"]),
    row("xpersona", &[], &["XPERSONA_API_KEY"]),
    row("zeldoc", &[], &["ZELDOC_API_KEY"]),
    row("zenmux", &[], &["ZENMUX_API_KEY"]),
];

/// Providers that the gateway looks up in the environment even if no model and no profile names them.
pub const ALWAYS_LOOKED_UP: [&str; 12] = [
    "anthropic",
    "github-copilot",
    "google-vertex",
    "openai",
    "google",
    "groq",
    "cerebras",
    "xai",
    "openrouter",
    "zai",
    "mistral",
    "synthetic",
];

/// The names that the gateway asks the login shell for (`env.shellEnv`). Only these are taken over; if one of them is set
/// already, the login shell is not asked at all.
pub const LOGIN_SHELL_KEYS: &[&str] = &[
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_OAUTH_TOKEN",
    "GEMINI_API_KEY",
    "ZAI_API_KEY",
    "OPENROUTER_API_KEY",
    "AI_GATEWAY_API_KEY",
    "MINIMAX_API_KEY",
    "SYNTHETIC_API_KEY",
    "ELEVENLABS_API_KEY",
    "TELEGRAM_BOT_TOKEN",
    "DISCORD_BOT_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "OPENSOUL_GATEWAY_TOKEN",
    "OPENSOUL_GATEWAY_PASSWORD",
];

/// The variables that the gateway reads for a provider (normalised id), first hit wins; empty if it knows none.
#[must_use]
pub fn gateway_names(provider: &str) -> &'static [&'static str] {
    TABLE.iter().find(|row| row.provider == provider).map_or(&[], |row| row.gateway)
}

/// The provider whose secret a variable holds; `None`: not a name we know.
#[must_use]
pub fn provider_of(name: &str) -> Option<&'static str> {
    TABLE.iter().find(|row| row.names().any(|known| known == name)).map(|row| row.provider)
}

/// Every known name once, with its provider.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().flat_map(|row| {
        row.names().filter(|name| provider_of(name) == Some(row.provider)).map(|name| (name, row.provider))
    })
}

/// What sort of secret a name stands for. The gateway calls `…OAUTH_TOKEN` an OAuth login; nobody renews a token in an
/// environment, so to us it is a bearer token.
#[must_use]
pub fn kind_of(name: &str) -> Kind {
    match name {
        "AWS_SECRET_ACCESS_KEY" => Kind::Cloud,
        "AWS_BEARER_TOKEN_BEDROCK" => Kind::Token,
        _ if name.ends_with("TOKEN") || name.ends_with("_PAT") => Kind::Token,
        _ => Kind::ApiKey,
    }
}

/// The known variable that a file with a secret is named after: `OPENAI_API_KEY`, `openai-api-key`, `openai.api.key`.
#[must_use]
pub fn variable_of_file(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    provider_of(&name).map(|_| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_gateways_order_is_kept() {
        assert_eq!(gateway_names("anthropic"), ["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"]);
        assert_eq!(gateway_names("github-copilot"), ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"]);
        assert_eq!(gateway_names("google"), ["GEMINI_API_KEY"], "the gateway does not read GOOGLE_API_KEY");
        assert!(gateway_names("deepseek").is_empty() && gateway_names("nobody").is_empty());
    }

    #[test]
    fn a_name_has_one_owner() {
        assert_eq!(provider_of("MINIMAX_API_KEY"), Some("minimax"));
        assert_eq!(provider_of("GOOGLE_API_KEY"), Some("google"));
        assert_eq!(provider_of("ANTHROPIC_ADMIN_KEY"), Some("anthropic-admin"));
        assert_eq!(provider_of("PATH"), None);
        let names: Vec<&str> = all().map(|(name, _)| name).collect();
        assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
        assert!(names.contains(&"MINIMAX_API_KEY") && names.len() > 150);
    }

    #[test]
    fn the_table_is_sound() {
        let mut providers = BTreeSet::new();
        for row in TABLE {
            assert!(providers.insert(row.provider), "{} twice", row.provider);
            assert!(row.names().count() > 0, "{} has no name", row.provider);
            for name in row.names() {
                assert!(name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{name}");
            }
        }
        // google-vertex is found by its file of credentials, not by a variable with a secret.
        for provider in ALWAYS_LOOKED_UP.iter().filter(|p| **p != "google-vertex") {
            assert!(!gateway_names(provider).is_empty(), "{provider}");
        }
    }

    #[test]
    fn kinds() {
        assert_eq!(kind_of("CLAUDE_CODE_OAUTH_TOKEN"), Kind::Token);
        assert_eq!(kind_of("OPENAI_API_KEY"), Kind::ApiKey);
        assert_eq!(kind_of("CLARIFAI_PAT"), Kind::Token);
    }
}
