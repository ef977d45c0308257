//! What the types of blocks mean.

use super::read::Block;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Trigger,
    Condition,
    /// `router_v2`: routes with descriptions.
    Router,
    /// `router`: the choice is the target block.
    TargetRouter,
    Response,
    Chat,
    Loop,
    Parallel,
    Note,
    Tool,
}

impl Role {
    pub(super) fn of(block: &Block) -> Role {
        match &*block.kind {
            "condition" => Role::Condition,
            "router_v2" => Role::Router,
            "router" => Role::TargetRouter,
            "response" => Role::Response,
            "loop" => Role::Loop,
            "parallel" => Role::Parallel,
            "note" => Role::Note,
            _ if block.is_trigger => Role::Trigger,
            "agent" | "human_in_the_loop" => Role::Chat,
            "starter"
            | "trigger"
            | "schedule"
            | "webhook"
            | "generic_webhook"
            | "sim_workspace_event"
            | "rss"
            | "imap"
            | "circleback" => Role::Trigger,
            kind if kind.ends_with("_trigger") => Role::Trigger,
            _ => Role::Tool,
        }
    }

    pub(super) fn is_container(self) -> bool {
        matches!(self, Role::Loop | Role::Parallel)
    }
}

/// Which of several triggers a conversation starts by; the lowest first.
pub(super) fn trigger_rank(kind: &str) -> u8 {
    match kind {
        "start_trigger" => 0,
        "chat_trigger" => 1,
        "starter" => 2,
        "input_trigger" => 3,
        "manual_trigger" => 4,
        "api_trigger" => 5,
        _ => 6,
    }
}

/// Whether Sim has, or had, blocks of this type.
pub(super) fn is_known(kind: &str) -> bool {
    KNOWN.binary_search(&kind).is_ok() || kind.starts_with("custom_block_") || kind.ends_with("_trigger")
}

/// The type of this name in Sim's registry.
pub(super) fn known(kind: &str) -> Option<&'static str> {
    KNOWN.binary_search(&kind).ok().and_then(|at| KNOWN.get(at).copied())
}

/// Sim's registry, of 2026-08 and of the fork of 2025-09, in the order of their bytes.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "a2a", "affinity", "agent", "agentmail", "agentphone", "agiloft", "ahrefs", "airtable", "airweave", "algolia",
    "amplitude", "api", "api_trigger", "apify", "apollo", "appconfig", "arxiv", "asana", "ashby", "athena", "attio",
    "azure_data_explorer", "azure_devops", "bitbucket", "box", "brandfetch", "brex", "brightdata", "browser_use",
    "buffer", "calcom", "calendly", "cbinsights", "chat_trigger", "circleback", "clay", "clerk", "clickhouse",
    "clickup", "cloudflare", "cloudformation", "cloudwatch", "codepipeline", "condition", "confluence",
    "confluence_v2", "context_dev", "convex", "credential", "credential_group", "crowdstrike", "crunchbase",
    "cursor", "cursor_v2", "dagster", "databricks", "datadog", "datagma", "daytona", "deployments", "devin",
    "discord", "docusign", "downdetector", "dropbox", "dropcontact", "dspy", "dub", "duckduckgo", "dynamodb",
    "dynatrace", "elasticsearch", "elevenlabs", "emailbison", "embeddings", "enrich", "enrichment", "enrow",
    "evaluator", "exa", "extend", "extend_v2", "fathom", "file", "file_v2", "file_v3", "file_v4", "file_v5",
    "findymail", "firecrawl", "fireflies", "fireflies_v2", "flint", "function", "gamma", "generic_webhook", "github",
    "github_v2", "gitlab", "gmail", "gmail_v2", "gong", "google_ads", "google_appsheet", "google_bigquery",
    "google_books", "google_calendar", "google_calendar_v2", "google_contacts", "google_docs", "google_drive",
    "google_forms", "google_groups", "google_maps", "google_meet", "google_pagespeed", "google_search",
    "google_sheets", "google_sheets_v2", "google_slides", "google_slides_v2", "google_tasks", "google_translate",
    "google_vault", "grafana", "grain", "grain_v2", "granola", "greenhouse", "greptile", "guardrails", "harmonic",
    "hex", "hubspot", "huggingface", "human_in_the_loop", "hunter", "iam", "icypeas", "identity_center",
    "image_generator", "image_generator_v2", "imap", "incidentio", "infisical", "input_trigger", "instagram",
    "instantly", "intercom", "intercom_v2", "jina", "jira", "jira_service_management", "jotform", "jupyter",
    "kalshi", "kalshi_v2", "ketch", "knowledge", "langsmith", "latex", "launchdarkly", "leadmagic", "lemlist",
    "linear", "linear_v2", "linkedin", "linkup", "linq", "logfire", "logrocket", "logs", "logs_v2", "loops", "luma",
    "mail", "mailchimp", "mailgun", "managed_agent", "manual_trigger", "mcp", "mem0", "memory", "microsoft_ad",
    "microsoft_dataverse", "microsoft_excel", "microsoft_excel_v2", "microsoft_planner", "microsoft_teams",
    "millionverifier", "mintlify", "mistral_parse", "mistral_parse_v2", "mistral_parse_v3", "modal", "monday",
    "mongodb", "mothership", "mssql", "mysql", "neo4j", "netsuite", "neverbounce", "new_relic", "note", "notion",
    "notion_v2", "obsidian", "okta", "onedrive", "onepassword", "openai", "outlook", "pagerduty", "parallel_ai",
    "peopledatalabs", "perplexity", "persona", "pi", "pinecone", "pipedrive", "pitchbook", "polymarket",
    "postgresql", "posthog", "profound", "prospeo", "pulse", "pulse_v2", "qdrant", "quartr", "quiver", "rabbitmq",
    "railway", "rb2b", "rds", "reddit", "redis", "reducto", "reducto_v2", "resend", "response", "revenuecat",
    "rippling", "rocketlane", "rootly", "router", "router_v2", "rss", "s3", "salesforce", "sap_concur", "sap_s4hana",
    "schedule", "search", "secrets_manager", "sendblue", "sendgrid", "sentry", "serper", "servicenow", "ses", "sftp",
    "sharepoint", "sharepoint_v2", "shopify", "sim_workspace_event", "similarweb", "sixtyfour", "slack", "slack_v2",
    "smartlead", "smtp", "snowflake", "splunk", "sportmonks", "spotify", "sqs", "square", "ssh", "stagehand",
    "stagehand_agent", "start_trigger", "starter", "stripe", "sts", "stt", "stt_v2", "supabase", "table", "table_v2",
    "tailscale", "tavily", "telegram", "temporal", "textract", "textract_v2", "thinking", "thrive", "tiktok",
    "tinybird", "translate", "trello", "trigger_dev", "tts", "twilio_sms", "twilio_voice", "typeform", "upstash",
    "uptimerobot", "vanta", "variables", "vercel", "video_generator", "video_generator_v2", "video_generator_v3",
    "vision", "vision_v2", "wait", "wealthbox", "webflow", "webhook", "webhook_request", "whatsapp", "wikipedia",
    "windchill", "wiza", "wordpress", "workday", "workflow", "workflow_input", "x", "youtube", "zendesk", "zep",
    "zerobounce", "zoho_desk", "zoom", "zoominfo",];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_types_can_be_searched() {
        assert!(KNOWN.is_sorted());
        assert!(is_known("agent") && is_known("zoominfo") && is_known("custom_block_1"));
        assert!(!is_known("invalid-type") && !is_known(""));
    }
}
