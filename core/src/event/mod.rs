//! The shape that the content of an event has, by its type.
//!
//! Clients of the data model write the same things under several names; any of them is accepted, and nothing is
//! renamed. Keys that no rule is about are the client's own.

use crate::jsonb::Node;

/// Types of events, as the domain `event_type` has them.
pub const TYPES: [&str; 7] = [
    "customer_message",
    "agent_message",
    "tool_call",
    "tool_result",
    "status_update",
    "journey_transition",
    "variable_update",
];

const MESSAGE: &[&str] = &["message", "text", "content"];
const TOOL: &[&str] = &["tool_name", "toolName", "tool_id", "toolId", "tool", "name"];
const ARGUMENTS: &[&str] = &["parameters", "arguments", "args"];
const RESULT: &[&str] = &["result", "error", "output"];
const VARIABLE: &[&str] = &["key", "name", "variable", "variable_name", "variableName"];
const TOOL_CALL_ID: &[&str] = &["tool_call_id", "toolCallId", "callId"];

/// What is wrong with a content: where, as a JSON Pointer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub path: String,
    pub reason: String,
}

/// The content of an event, of which only that is looked into that a rule is about.
#[derive(Debug)]
pub struct Content<'a>(Node<'a>);

impl<'a> Content<'a> {
    /// # Errors
    /// It is no object.
    pub fn of(content: Node<'a>) -> Result<Self, Fault> {
        match Kind::of(content) {
            Kind::Object => Ok(Content(content)),
            other => Err(fault("", format!("must be an object, not {}", other.name()))),
        }
    }

    /// What an event of this type must have and this content has not.
    #[must_use]
    pub fn fault(&self, event_type: &str) -> Option<Fault> {
        match event_type {
            "customer_message" | "agent_message" => self.message_fault(),
            "tool_call" => self
                .one_of(TOOL, "the name or the id of the tool", Kind::String)
                .or_else(|| self.one_of(ARGUMENTS, "the object of arguments", Kind::Object)),
            "tool_result" => self.result_fault(),
            "variable_update" => self.one_of(VARIABLE, "the name of the variable", Kind::String),
            "journey_transition" => self.transition_fault(),
            _ => None,
        }
    }

    /// Whether it has a member of this name.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some()
    }

    /// The id that joins a tool's call and its result, where the content has one.
    #[must_use]
    pub fn tool_call_id(&self) -> Option<String> {
        TOOL_CALL_ID.iter().find_map(|key| Some(self.0.get(key)?.text()?.into_owned()))
    }

    fn message_fault(&self) -> Option<Fault> {
        if let Some(attachments) = self.0.get("attachments") {
            let Some(elements) = attachments.elements() else {
                return Some(wrong_kind("attachments", Kind::Array, Kind::of(attachments)));
            };
            if elements.len() > 0 && !MESSAGE.iter().any(|key| self.has(key)) {
                return None;
            }
        }
        self.one_of(MESSAGE, "the text", Kind::String)
    }

    fn result_fault(&self) -> Option<Fault> {
        match self.0.get("success").map(Kind::of) {
            Some(Kind::Boolean) => None,
            Some(other) => Some(wrong_kind("success", Kind::Boolean, other)),
            None if RESULT.iter().any(|key| self.has(key)) => None,
            None => Some(missing(&["result", "error", "success"], "the result of the call")),
        }
    }

    fn transition_fault(&self) -> Option<Fault> {
        let tells = |key: &str| key.starts_with("from") || key.starts_with("to");
        (!self.0.members().is_some_and(|mut members| members.any(|(key, _)| tells(&key))))
            .then(|| missing(&["from", "to"], "a state"))
    }

    /// The first of the keys that is there must have the kind.
    fn one_of(&self, keys: &[&str], what: &str, expected: Kind) -> Option<Fault> {
        let Some((key, member)) = keys.iter().find_map(|key| Some((key, self.0.get(key)?))) else {
            return Some(missing(keys, what));
        };
        let found = Kind::of(member);
        (found != expected).then(|| wrong_kind(key, expected, found))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    fn of(value: Node<'_>) -> Kind {
        if value.text().is_some() {
            Kind::String
        } else if value.members().is_some() {
            Kind::Object
        } else if value.elements().is_some() {
            Kind::Array
        } else if value.boolean().is_some() {
            Kind::Boolean
        } else if value.is_null() {
            Kind::Null
        } else {
            Kind::Number
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

fn missing(keys: &[&str], what: &str) -> Fault {
    let others = match keys {
        [_] | [] => String::new(),
        [_, others @ ..] => format!(" (or {})", others.join(", ")),
    };
    fault(&format!("/{}", keys.first().unwrap_or(&"")), format!("{what} is missing{others}"))
}

fn wrong_kind(key: &str, expected: Kind, found: Kind) -> Fault {
    fault(&format!("/{key}"), format!("must be {}, not {}", expected.name(), found.name()))
}

fn fault(path: &str, reason: String) -> Fault {
    Fault { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonb::{Jsonb, write};
    use proptest::prelude::*;
    use serde_json::Value;

    /// As PostgreSQL stores it.
    fn stored(content: &str) -> Vec<u8> {
        write(&(&serde_json::from_str::<Value>(content).unwrap()).into()).unwrap()
    }

    fn fault_of(event_type: &str, content: &str) -> Option<String> {
        let stored = stored(content);
        let fault = match Content::of(Jsonb(&stored).root()) {
            Ok(content) => content.fault(event_type),
            Err(fault) => Some(fault),
        };
        fault.map(|fault| format!("{}: {}", fault.path, fault.reason))
    }

    #[test]
    fn what_clients_send_is_accepted() {
        for (event_type, content) in [
            ("customer_message", r#"{"message": "hi"}"#),
            ("customer_message", r#"{"text": "", "attachments": [{"url": "u"}]}"#),
            ("customer_message", r#"{"attachments": [{"url": "u"}]}"#),
            ("agent_message", r#"{"content": "hi", "confidence": 0.5, "timestamp": "2024"}"#),
            ("tool_call", r#"{"tool_name": "t", "parameters": {}}"#),
            ("tool_call", r#"{"toolId": "t", "toolName": "t", "parameters": {"a": [1]}, "callId": "c"}"#),
            ("tool_result", r#"{"result": null}"#),
            ("tool_result", r#"{"success": false, "error": {"code": 1}}"#),
            ("tool_result", r#"{"success": true}"#),
            ("status_update", "{}"),
            ("journey_transition", r#"{"from": null, "to": "s"}"#),
            ("journey_transition", r#"{"from_state_id": "s", "reason": "done"}"#),
            ("variable_update", r#"{"key": "k", "old_value": 1}"#),
        ] {
            assert_eq!(fault_of(event_type, content), None, "{event_type} {content}");
        }
    }

    #[test]
    fn a_fault_tells_path_and_reason() {
        for (event_type, content, expected) in [
            ("customer_message", "{}", "/message: the text is missing (or text, content)"),
            ("customer_message", r#"{"attachments": []}"#, "/message: the text is missing (or text, content)"),
            ("customer_message", r#"{"message": 1}"#, "/message: must be a string, not a number"),
            ("agent_message", r#"{"text": null}"#, "/text: must be a string, not null"),
            ("agent_message", r#"{"text": "a", "attachments": {}}"#, "/attachments: must be an array, not an object"),
            (
                "tool_call",
                r#"{"parameters": {}}"#,
                "/tool_name: the name or the id of the tool is missing (or toolName, tool_id, toolId, tool, name)",
            ),
            ("tool_call", r#"{"tool": "t"}"#, "/parameters: the object of arguments is missing (or arguments, args)"),
            ("tool_call", r#"{"tool": "t", "arguments": []}"#, "/arguments: must be an object, not an array"),
            ("tool_result", "{}", "/result: the result of the call is missing (or error, success)"),
            ("tool_result", r#"{"success": "yes"}"#, "/success: must be a boolean, not a string"),
            ("journey_transition", "{}", "/from: a state is missing (or to)"),
            (
                "variable_update",
                r#"{"value": 1}"#,
                "/key: the name of the variable is missing (or name, variable, variable_name, variableName)",
            ),
        ] {
            assert_eq!(fault_of(event_type, content).as_deref(), Some(expected), "{event_type} {content}");
        }
    }

    #[test]
    fn the_id_of_a_call_is_found_under_each_of_its_names() {
        for key in TOOL_CALL_ID {
            let text = format!(r#"{{"{key}": "c", "n": {{"{key}": "other"}}}}"#);
            assert_eq!(Content::of(Jsonb(&stored(&text)).root()).unwrap().tool_call_id().as_deref(), Some("c"));
        }
        assert_eq!(Content::of(Jsonb(&stored(r#"{"callId": 7}"#)).root()).unwrap().tool_call_id(), None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (text, kind) in
            [("[]", "an array"), ("1", "a number"), ("null", "null"), ("true", "a boolean"), (r#""{}""#, "a string")]
        {
            assert_eq!(fault_of("status_update", text), Some(format!(": must be an object, not {kind}")));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(event_type in prop::sample::select(&TYPES[..]), bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Content::of(Jsonb(&bytes).root()).map(|content| (content.fault(event_type), content.tool_call_id()));
        }

        #[test]
        fn keys_of_the_client_do_not_matter(key in "[a-z]{1,8}_own", text in "[a-z]{0,20}") {
            let content = format!(r#"{{"{key}": {{"x": [1, 2]}}, "message": "{text}"}}"#);
            prop_assert_eq!(fault_of("customer_message", &content), None);
        }
    }
}
