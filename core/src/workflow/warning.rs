//! What a conversion could not keep, or kept in another form.

use crate::jsonb::Tree;

/// A stable name for each kind of warning; docs/workflows.md explains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    ConditionAsText,
    ConditionWithoutExpression,
    ContainerNotWired,
    CrossesContainer,
    DanglingEdge,
    DecisionCycle,
    DisabledBlock,
    DuplicateEdge,
    EmptyContainer,
    FanOut,
    IgnoredEdge,
    MissingPrompt,
    NestingBroken,
    NoTrigger,
    NoteDropped,
    ParallelInTurn,
    Renamed,
    ResponseEndsRun,
    RowsFromHandles,
    SecretRemoved,
    SelfLoop,
    TextShortened,
    UnknownHandle,
    UnknownReference,
    UnknownType,
    UnreachableBlock,
    UnreadableField,
    UnusedParameter,
}

impl Code {
    pub const ALL: [Code; 28] = [
        Code::ConditionAsText,
        Code::ConditionWithoutExpression,
        Code::ContainerNotWired,
        Code::CrossesContainer,
        Code::DanglingEdge,
        Code::DecisionCycle,
        Code::DisabledBlock,
        Code::DuplicateEdge,
        Code::EmptyContainer,
        Code::FanOut,
        Code::IgnoredEdge,
        Code::MissingPrompt,
        Code::NestingBroken,
        Code::NoTrigger,
        Code::NoteDropped,
        Code::ParallelInTurn,
        Code::Renamed,
        Code::ResponseEndsRun,
        Code::RowsFromHandles,
        Code::SecretRemoved,
        Code::SelfLoop,
        Code::TextShortened,
        Code::UnknownHandle,
        Code::UnknownReference,
        Code::UnknownType,
        Code::UnreachableBlock,
        Code::UnreadableField,
        Code::UnusedParameter,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Code::ConditionAsText => "condition_as_text",
            Code::ConditionWithoutExpression => "condition_without_expression",
            Code::ContainerNotWired => "container_not_wired",
            Code::CrossesContainer => "crosses_container",
            Code::DanglingEdge => "dangling_edge",
            Code::DecisionCycle => "decision_cycle",
            Code::DisabledBlock => "disabled_block",
            Code::DuplicateEdge => "duplicate_edge",
            Code::EmptyContainer => "empty_container",
            Code::FanOut => "fan_out",
            Code::IgnoredEdge => "ignored_edge",
            Code::MissingPrompt => "missing_prompt",
            Code::NestingBroken => "nesting_broken",
            Code::NoTrigger => "no_trigger",
            Code::NoteDropped => "note_dropped",
            Code::ParallelInTurn => "parallel_in_turn",
            Code::Renamed => "renamed",
            Code::ResponseEndsRun => "response_ends_run",
            Code::RowsFromHandles => "rows_from_handles",
            Code::SecretRemoved => "secret_removed",
            Code::SelfLoop => "self_loop",
            Code::TextShortened => "text_shortened",
            Code::UnknownHandle => "unknown_handle",
            Code::UnknownReference => "unknown_reference",
            Code::UnknownType => "unknown_type",
            Code::UnreachableBlock => "unreachable_block",
            Code::UnreadableField => "unreadable_field",
            Code::UnusedParameter => "unused_parameter",
        }
    }
}

/// One thing that a reader of the journey should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    pub block: Option<String>,
    pub edge: Option<String>,
    pub code: Code,
    pub message: String,
}

impl Warning {
    pub(super) fn document(&self) -> Tree<'_> {
        Tree::Object(vec![
            ("code", Tree::Text(self.code.name())),
            ("block", Tree::optional_text(self.block.as_deref())),
            ("edge", Tree::optional_text(self.edge.as_deref())),
            ("message", Tree::Text(&self.message)),
        ])
    }
}

/// The warnings of one conversion, each once, in an order that does not depend on that of the document.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<Warning>);

impl Warnings {
    pub(super) fn of_block(&mut self, code: Code, block: &str, message: impl Into<String>) {
        self.0.push(Warning { block: Some(block.to_owned()), edge: None, code, message: message.into() });
    }

    pub(super) fn of_edge(&mut self, code: Code, block: &str, edge: Option<&str>, message: impl Into<String>) {
        let edge = edge.map(str::to_owned);
        self.0.push(Warning { block: Some(block.to_owned()), edge, code, message: message.into() });
    }

    pub(super) fn of_workflow(&mut self, code: Code, message: impl Into<String>) {
        self.0.push(Warning { block: None, edge: None, code, message: message.into() });
    }

    pub(super) fn into_sorted(mut self) -> Vec<Warning> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}
