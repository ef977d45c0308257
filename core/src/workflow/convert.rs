//! From the graph of a workflow to that of a journey.

use super::block_type::{Role, is_known};
use super::branch::{MAX_ROWS, Rows, Way};
use super::content::{self, Cleaner};
use super::fault::{Fault, member};
use super::marker::{Marker, Part};
use super::nesting::{Link, Nesting};
use super::read::{Block, Edge, Workflow};
use super::reference::{References, plain_text};
use super::repeat::{Kind, Repeat};
use super::secret::{is_secret_key, redact};
use super::warning::{Code, Warning, Warnings};
use super::{expression, priority};
use crate::journey::{ConditionKind, Journey, MAX_TRANSITIONS, Severity, State, StateType, Transition, validate};
use crate::jsonb::{Node, Packed};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A journey made from a workflow.
#[derive(Debug, Clone)]
pub struct Conversion {
    pub journey: Journey,
    /// The name of the state of each block, by the id of the block.
    pub mapping: BTreeMap<String, String>,
    pub warnings: Vec<Warning>,
    /// Id of the workflow, if the document names it.
    pub workflow_id: Option<String>,
    /// The parameters without secrets.
    pub parameters: Map<String, Value>,
}

const MAX_TITLE: usize = 500;
const MAX_DESCRIPTION: usize = 2000;
const MAX_NAME: usize = 255;
const MAX_PROMPT: usize = 10_000;
const MAX_CONDITION: usize = 2000;
const MAX_TOOL_ID: usize = 255;

pub(super) fn convert(
    workflow: &Workflow,
    parameters: &Map<String, Value>,
    tools: &Map<String, Value>,
) -> Result<Conversion, Fault> {
    let markers: Vec<Option<Box<Marker>>> =
        workflow.blocks.iter().map(|block| Marker::of(block).map(Box::new)).collect();
    if markers.iter().any(Option::is_some) {
        let conversion = convert_with(workflow, parameters.clone(), tools, &markers)?;
        let findings = validate(&conversion.journey, None);
        if findings.iter().all(|finding| finding.severity != Severity::Error) {
            return Ok(conversion);
        }
        // Blocks that are as they were made, wired so that they make no journey.
    }
    let unmarked: Vec<Option<Box<Marker>>> = workflow.blocks.iter().map(|_| None).collect();
    convert_with(workflow, parameters.clone(), tools, &unmarked)
}

fn convert_with(
    workflow: &Workflow,
    parameters: Map<String, Value>,
    tools: &Map<String, Value>,
    markers: &[Option<Box<Marker>>],
) -> Result<Conversion, Fault> {
    let mut warnings = Warnings::default();
    let is_state = |marker: &Option<Box<Marker>>| marker.as_ref().is_some_and(|m| matches!(m.part, Part::State { .. }));
    let is_marked: Vec<bool> = markers.iter().map(is_state).collect();
    let nesting = Nesting::of(workflow, &is_marked, &mut warnings);
    let parameters = without_secrets(parameters, &mut warnings);
    let names = workflow.blocks.iter().map(|block| (&*block.id, block.name.as_deref().unwrap_or(&block.kind)));
    let references = References::new(names, parameters)?;
    let mut converter = Converter {
        workflow,
        nesting: &nesting,
        markers,
        folded: folded(&nesting, markers, &is_marked),
        places: Vec::new(),
        references: &references,
        tools,
        warnings,
        states: Vec::with_capacity(nesting.reached.len() + 2),
        names: Names::default(),
        transitions: Vec::new(),
        state_of: vec![None; workflow.blocks.len()],
        again: HashMap::new(),
        pending_rounds: Vec::new(),
        end: None,
    };
    for block in &nesting.reached {
        converter.add_state(*block);
    }
    for block in &nesting.reached {
        converter.add_transitions(*block)?;
    }
    converter.add_rounds();
    converter.add_start();
    converter.break_cycles();
    converter.finish()
}

/// A secret is not put into a journey, not even by a parameter.
fn without_secrets(mut parameters: Map<String, Value>, warnings: &mut Warnings) -> Map<String, Value> {
    let mut removed = Vec::new();
    parameters.retain(|name, value| {
        let is_secret =
            is_secret_key(name) || plain_text(value).len() < 100_000 && redact(&plain_text(value)).is_some();
        if is_secret {
            removed.push(name.clone());
        }
        !is_secret
    });
    for name in removed {
        let message = format!("parameter {name:?} holds a secret and was left out; the reference stays a variable");
        warnings.of_workflow(Code::SecretRemoved, message);
    }
    parameters
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum When {
    Always,
    Natural(String),
    Expression(String),
}

struct Passage {
    from: usize,
    to: usize,
    when: When,
    priority: i32,
    /// As a journey had it.
    is_exact: bool,
}

/// The blocks that only carry transitions of the state before them, or say where the journey begins.
fn folded(nesting: &Nesting, markers: &[Option<Box<Marker>>], is_marked: &[bool]) -> Vec<bool> {
    let mut incoming: Vec<Vec<usize>> = vec![Vec::new(); markers.len()];
    for (source, links) in nesting.ways.iter().enumerate() {
        links.iter().for_each(|link| incoming[link.target].push(source));
    }
    let leads_to = |block: usize| match &nesting.ways[block] {
        [only] => Some(only.target),
        _ => None,
    };
    let is_folded = |(block, marker): (usize, &Option<Box<Marker>>)| match marker.as_ref().map(|marker| &marker.part) {
        Some(Part::Ways) => match incoming[block].as_slice() {
            [owner] => is_marked[*owner] && leads_to(*owner) == Some(block),
            _ => false,
        },
        Some(Part::Entry(_)) => nesting.entries == [block] && leads_to(block).is_some_and(|target| is_marked[target]),
        _ => false,
    };
    markers.iter().enumerate().map(is_folded).collect()
}

struct Converter<'w> {
    workflow: &'w Workflow<'w>,
    nesting: &'w Nesting,
    markers: &'w [Option<Box<Marker>>],
    /// Blocks that are part of the state before or behind them.
    folded: Vec<bool>,
    /// The places that markers give to states, by the index of the state.
    places: Vec<(usize, usize)>,
    references: &'w References,
    /// Names of tools by the ids of what they were made of.
    tools: &'w Map<String, Value>,
    warnings: Warnings,
    states: Vec<State>,
    names: Names,
    transitions: Vec<Passage>,
    state_of: Vec<Option<usize>>,
    /// The state in which it is decided whether a container goes round again.
    again: HashMap<usize, usize>,
    pending_rounds: Vec<usize>,
    end: Option<usize>,
}

impl Converter<'_> {
    /// A state as the journey had it of which the block was made.
    fn add_exact_state(&mut self, at: usize, exact: &State, place: usize) {
        let mut state = exact.clone();
        state.name = self.names.unique(&exact.name);
        state.is_initial = false;
        self.places.push((self.states.len(), place));
        self.state_of[at] = Some(self.states.len());
        self.states.push(state);
    }

    fn add_exact_transitions(&mut self, at: usize, leads_on: bool) {
        let from = self.state(at);
        if self.states[from].is_final() {
            return;
        }
        let nesting = self.nesting;
        let carrier = match &nesting.ways[at] {
            [only] if self.folded[only.target] => only.target,
            _ => at,
        };
        let rows = self.markers[carrier].as_ref().map(|marker| &marker.rows);
        let before = self.transitions.len();
        let mut links: Vec<&Link> = nesting.ways[carrier].iter().collect();
        links.sort_by_key(|link| link.ordinal);
        for link in links {
            let handle = self.handle(link);
            let id = handle.and_then(|handle| handle.strip_prefix("condition-").or(handle.strip_prefix("router-")));
            let to = self.state(link.target);
            let Some(transition) = id.and_then(|id| rows?.get(id)) else {
                match handle {
                    None | Some("source") => self.add(from, to, When::Always, priority::DEFAULT),
                    Some("error") => self.add_failure(at, &[link]),
                    Some(handle) => {
                        let when = When::Natural(cut(&format!("{handle:?} is the outcome"), MAX_CONDITION));
                        self.report_handle(carrier, link, "it is taken when it is named");
                        self.add(from, to, when, priority::FURTHER);
                    }
                }
                continue;
            };
            let when = match (&transition.condition, transition.condition_kind) {
                (None, _) => When::Always,
                (Some(text), ConditionKind::Natural) => When::Natural(text.clone()),
                (Some(text), ConditionKind::Expression) => When::Expression(text.clone()),
            };
            self.transitions.push(Passage { from, to, when, priority: transition.priority, is_exact: true });
        }
        let is_decision = self.states[from].state_type == StateType::Decision;
        if self.transitions.len() == before && (leads_on || is_decision) {
            self.lead_on(at, &[]);
        }
    }

    fn add_state(&mut self, at: usize) {
        if self.folded[at] {
            return;
        }
        let markers = self.markers;
        if let Some(Marker { part: Part::State { state, place, .. }, .. }) = markers[at].as_deref() {
            return self.add_exact_state(at, state, *place);
        }
        let block = &self.workflow.blocks[at];
        let role = self.nesting.roles[at];
        let wanted = match (&block.name, &*block.kind) {
            (Some(name), _) => name,
            (None, "") => "Block",
            (None, kind) => kind,
        };
        let name = self.names.unique(wanted);
        if block.name.as_deref() != Some(&name) {
            self.warnings.of_block(Code::Renamed, &block.id, format!("the state is called {name:?}"));
        }
        let mut state = State::new(&name, StateType::Decision);
        let mut metadata = Map::new();
        metadata.insert("block_id".to_owned(), json!(block.id));
        metadata.insert("block_type".to_owned(), json!(block.kind));
        if let Some(variable) = self.references.variable_of(block.name.as_deref().unwrap_or(&block.kind)) {
            metadata.insert("variable".to_owned(), json!(variable));
        }
        if let Some(parent) = self.nesting.parent[at] {
            metadata.insert("container".to_owned(), json!(self.workflow.blocks[parent].id));
        }
        let mut cleaner = Cleaner::new(self.references);
        match role {
            Role::Chat => self.fill_chat(block, &mut state, &mut metadata, &mut cleaner),
            Role::Response => self.fill_response(block, &mut state, &mut metadata, &mut cleaner),
            Role::Tool | Role::Note => self.fill_tool(block, &mut state, &mut cleaner),
            Role::Trigger => {
                state.condition = Some(self.limited(block, format!("the conversation starts by {wanted:?}")));
                metadata.extend(content::inputs(block).map(|inputs| ("inputs".to_owned(), inputs)));
            }
            Role::Condition => {
                state.condition = Some(self.limited(block, format!("which branch of {wanted:?} to take")));
            }
            Role::Router | Role::TargetRouter => {
                let key = if role == Role::Router { "context" } else { "prompt" };
                let context = block.fields.get(key);
                let context = context.as_ref().and_then(Value::as_str).unwrap_or_default();
                let context = cleaner.plain(key, &self.references.text(context));
                let what = format!("which route of {wanted:?} fits");
                let text = if context.trim().is_empty() { what } else { format!("{what}: {}", context.trim()) };
                state.condition = Some(self.limited(block, text));
            }
            Role::Loop | Role::Parallel => {
                state.condition = Some(self.limited(block, format!("whether {wanted:?} has anything to do")));
                let repeat = Repeat::of(block, role);
                metadata.insert("repeat".to_owned(), cleaner.value("repeat", &repeat.metadata()).unwrap_or_default());
                if role == Role::Parallel {
                    let message = "a journey does the branches one after the other, not at once";
                    self.warnings.of_block(Code::ParallelInTurn, &block.id, message);
                }
            }
        }
        for key in cleaner.removed {
            let message = format!("a secret in {key:?} was left out");
            self.warnings.of_block(Code::SecretRemoved, &block.id, message);
        }
        self.report_unknown_references(block);
        state.metadata = Some(Packed::new(Value::Object(metadata)));
        self.state_of[at] = Some(self.states.len());
        self.states.push(state);
    }

    fn fill_chat(
        &mut self,
        block: &Block,
        state: &mut State,
        metadata: &mut Map<String, Value>,
        cleaner: &mut Cleaner,
    ) {
        state.state_type = StateType::Chat;
        let mut fields = block.fields.all();
        let prompt = cleaner.plain("prompt", &content::prompt(&block.kind, &fields));
        let (mut template, cut) = self.references.template_of_at_most(&prompt, MAX_PROMPT);
        if template.trim().is_empty() {
            self.warnings.of_block(Code::MissingPrompt, &block.id, "the block says nothing; its name is the prompt");
            template = self.references.template_of_at_most(&state.name, MAX_PROMPT).0;
        }
        if cut {
            let message = format!("the prompt has {MAX_PROMPT} characters; all of it is in the state's metadata");
            self.warnings.of_block(Code::TextShortened, &block.id, message);
            metadata.insert("full_prompt".to_owned(), json!(self.references.template(&prompt)));
        }
        state.prompt = Some(template);
        match content::agent_tools(&fields, cleaner, self.tools) {
            Ok(tools) if tools.is_empty() => {}
            Ok(tools) => {
                metadata.insert("tools".to_owned(), Value::Array(tools));
            }
            Err(reason) => self.warnings.of_block(Code::UnreadableField, &block.id, format!("\"tools\" is {reason}")),
        }
        let told = [
            "messages",
            "systemPrompt",
            "context",
            "userPrompt",
            "prompt",
            "message",
            "description",
            "content",
            "tools",
        ];
        fields.retain(|key, _| !told.contains(&key.as_str()));
        let settings = cleaner.object(&fields);
        if !settings.is_empty() {
            metadata.insert("settings".to_owned(), Value::Object(settings));
        }
    }

    fn fill_response(
        &mut self,
        block: &Block,
        state: &mut State,
        metadata: &mut Map<String, Value>,
        cleaner: &mut Cleaner,
    ) {
        state.state_type = StateType::Final;
        let mut fields = block.fields.all();
        let response = cleaner.plain("data", &content::response(&fields));
        let (template, cut) = self.references.template_of_at_most(&response, MAX_PROMPT);
        if cut {
            let message = format!("the response has {MAX_PROMPT} characters; all of it is in the state's metadata");
            self.warnings.of_block(Code::TextShortened, &block.id, message);
            metadata.insert("full_prompt".to_owned(), json!(self.references.template(&response)));
        }
        state.prompt = Some(template).filter(|template| !template.trim().is_empty());
        let told = ["data", "builderData", "dataMode"];
        fields.retain(|key, _| !told.contains(&key.as_str()));
        let settings = cleaner.object(&fields);
        if !settings.is_empty() {
            metadata.insert("settings".to_owned(), Value::Object(settings));
        }
    }

    fn fill_tool(&mut self, block: &Block, state: &mut State, cleaner: &mut Cleaner) {
        state.state_type = StateType::Tool;
        if !is_known(&block.kind) {
            let message = match &*block.kind {
                "" => "the block has no type; its state calls the tool \"unknown\"".to_owned(),
                kind => format!("Sim has no blocks of type {kind:?}; the state calls a tool of that name"),
            };
            self.warnings.of_block(Code::UnknownType, &block.id, message);
        }
        let fields = block.fields.all();
        let (tool_id, links) = content::tool(block, &fields, self.tools);
        let tool_id = self.references.text(&tool_id);
        state.tool_id = Some(self.shortened(block, tool_id, MAX_TOOL_ID));
        let mut config = Map::new();
        let mut arguments = cleaner.object(&fields);
        if self.tools.contains_key(links.get("mcp_server_id").and_then(Value::as_str).unwrap_or_default()) {
            // The tool is the server's, so it takes the rest.
            arguments.retain(|key, _| !matches!(key.as_str(), "server" | "serverId"));
        }
        if !arguments.is_empty() {
            config.insert("arguments".to_owned(), Value::Object(arguments));
        }
        if !links.is_empty() {
            config.insert("links".to_owned(), Value::Object(links));
        }
        if let Some(retry) = block.retry.as_ref().and_then(|retry| cleaner.value("retry", retry)) {
            config.insert("retry".to_owned(), retry);
        }
        state.tool_config = Some(Packed::new(Value::Object(config)));
    }

    fn report_unknown_references(&mut self, block: &Block) {
        for reference in self.references.take_unknown() {
            let message = format!("<{reference}> refers to no block of the workflow; it is kept as text");
            self.warnings.of_block(Code::UnknownReference, &block.id, message);
        }
    }

    fn limited(&mut self, block: &Block, text: String) -> String {
        self.shortened(block, text, MAX_CONDITION)
    }

    fn shortened(&mut self, block: &Block, text: String, most: usize) -> String {
        if text.chars().nth(most).is_none() {
            return text;
        }
        let message = format!("a text was cut off after {most} characters");
        self.warnings.of_block(Code::TextShortened, &block.id, message);
        text.chars().take(most - 1).chain(['…']).collect()
    }

    fn add_transitions(&mut self, at: usize) -> Result<(), Fault> {
        if self.folded[at] {
            return Ok(());
        }
        if let Some(Marker { part: Part::State { leads_on, .. }, .. }) = self.markers[at].as_deref() {
            self.add_exact_transitions(at, *leads_on);
            return Ok(());
        }
        let nesting = self.nesting;
        let links = &nesting.ways[at];
        match nesting.roles[at] {
            Role::Response => {}
            Role::Loop | Role::Parallel => self.add_container(at, links),
            role @ (Role::Condition | Role::Router) => self.add_branches(at, role, links)?,
            Role::TargetRouter => self.add_target_router(at, links),
            _ => {
                let (failure, success): (Vec<&Link>, Vec<&Link>) =
                    links.iter().partition(|link| self.handle(link) == Some("error"));
                for link in &success {
                    let handle = self.handle(link);
                    if !matches!(handle, None | Some("source")) {
                        self.report_handle(at, link, "it is taken like an ordinary one");
                    }
                }
                self.add_failure(at, &failure);
                self.lead_on(at, &success);
            }
        }
        self.report_unknown_references(&self.workflow.blocks[at]);
        Ok(())
    }

    fn handle(&self, link: &Link) -> Option<&str> {
        self.workflow.edges[link.edge].handle.as_deref()
    }

    fn report_handle(&mut self, at: usize, link: &Link, what: &str) {
        let edge = &self.workflow.edges[link.edge];
        let handle = edge.handle.as_deref().unwrap_or_default();
        let message = format!("the block has no way out called {handle:?}; {what}");
        self.warnings.of_edge(Code::UnknownHandle, &self.workflow.blocks[at].id, edge.id.as_deref(), message);
    }

    fn state(&self, block: usize) -> usize {
        self.state_of[block].unwrap_or_default()
    }

    fn quoted_name(&self, block: usize) -> String {
        format!("{:?}", self.states[self.state(block)].name)
    }

    fn add(&mut self, from: usize, to: usize, when: When, priority: i32) {
        self.transitions.push(Passage { from, to, when, priority, is_exact: false });
    }

    fn add_failure(&mut self, at: usize, links: &[&Link]) {
        let when = When::Natural(format!("{} failed", self.quoted_name(at)));
        for target in targets(links.iter().copied()) {
            self.add(self.state(at), self.state(target), when.clone(), priority::FAILURE);
        }
    }

    /// The way on from a block that is done.
    fn lead_on(&mut self, at: usize, links: &[&Link]) {
        let targets = targets(links.iter().copied());
        let from = self.state(at);
        if targets.is_empty() {
            let next = self.after(at);
            self.add(from, next, When::Always, priority::DEFAULT);
        } else {
            self.fan_out(at, from, &targets);
        }
    }

    /// Sim does all targets at once. A journey takes the first by itself, and each of the others when it is named.
    fn fan_out(&mut self, at: usize, from: usize, targets: &[usize]) {
        for (index, target) in targets.iter().enumerate() {
            let to = self.state(*target);
            if index == 0 {
                self.add(from, to, When::Always, priority::DEFAULT);
            } else {
                let when = When::Natural(format!("{} is to be done next", self.quoted_name(*target)));
                self.add(from, to, when, priority::FURTHER);
            }
        }
        self.report_fan_out(at, targets.len());
    }

    fn report_fan_out(&mut self, at: usize, ways: usize) {
        if ways > 1 {
            let message = format!("Sim goes {ways} ways at once; the journey goes one of them at a time");
            self.warnings.of_block(Code::FanOut, &self.workflow.blocks[at].id, message);
        }
    }

    /// Where a path goes on that ends at a block: round the container that it is in, or to the end.
    fn after(&mut self, at: usize) -> usize {
        match self.nesting.parent[at] {
            Some(container) => self.again(container),
            None => self.end(),
        }
    }

    fn end(&mut self) -> usize {
        if let Some(end) = self.end {
            return end;
        }
        let end = self.states.len();
        let name = self.names.unique("End");
        self.states.push(State::new(name, StateType::Final));
        self.end = Some(end);
        end
    }

    /// The state in which a container decides about another round; `while` decides at its head.
    fn again(&mut self, container: usize) -> usize {
        let block = &self.workflow.blocks[container];
        let head = self.state(container);
        if Repeat::of(block, self.nesting.roles[container]).kind == Kind::While {
            return head;
        }
        if let Some(again) = self.again.get(&container) {
            return *again;
        }
        let again = self.states.len();
        let name = self.names.unique(&format!("{}: again?", self.states[head].name));
        let mut state = State::new(name, StateType::Decision);
        state.condition = Some(format!("whether {:?} goes round again", self.states[head].name));
        state.metadata = Some(Packed::new(json!({"container": block.id})));
        self.states.push(state);
        self.again.insert(container, again);
        self.pending_rounds.push(container);
        again
    }

    fn add_container(&mut self, at: usize, links: &[Link]) {
        let nesting = self.nesting;
        let block = &self.workflow.blocks[at];
        let repeat = Repeat::of(block, nesting.roles[at]);
        let head = self.state(at);
        let first = nesting.first_children[at].as_slice();
        let exits = targets(links);
        if first.is_empty() {
            self.warnings.of_block(Code::EmptyContainer, &block.id, "the container has no children; it is passed by");
            return self.leave(at, head, &exits);
        }
        if repeat.kind == Kind::While {
            let when = self.round_condition(at, &repeat);
            self.enter(at, head, first, &when);
            return self.leave(at, head, &exits);
        }
        let name = self.states[head].name.clone();
        let nothing = When::Natural(format!("there is nothing to do in {name:?}"));
        let outside = if exits.is_empty() { vec![self.after(at)] } else { self.states_of(&exits) };
        for to in outside {
            self.add(head, to, nothing.clone(), priority::row(0));
        }
        self.fan_out(at, head, first);
    }

    /// What follows the states in which containers decide about another round: only now is it known which exist.
    fn add_rounds(&mut self) {
        while let Some(at) = self.pending_rounds.pop() {
            let nesting = self.nesting;
            let repeat = Repeat::of(&self.workflow.blocks[at], nesting.roles[at]);
            let again = self.again(at);
            let when = self.round_condition(at, &repeat);
            self.enter(at, again, &nesting.first_children[at], &when);
            self.leave(at, again, &targets(&nesting.ways[at]));
        }
    }

    fn round_condition(&mut self, at: usize, repeat: &Repeat) -> When {
        let block = &self.workflow.blocks[at];
        if !repeat.condition.is_empty() {
            if let Some(expression) = expression::translate(&repeat.condition, self.references) {
                return When::Expression(expression);
            }
            let message = format!("the condition is kept as text: {}", brief(&repeat.condition));
            self.warnings.of_block(Code::ConditionAsText, &block.id, message);
        } else if repeat.kind == Kind::While {
            let message = "the loop has no condition";
            self.warnings.of_block(Code::ConditionWithoutExpression, &block.id, message);
        }
        let name = self.states[self.state(at)].name.clone();
        let text = self.redacted(at, &self.references.text(&repeat.again(&name)));
        When::Natural(self.limited(block, text))
    }

    /// Conditions may be long and hold anything: they are kept without secrets as well.
    fn redacted(&mut self, at: usize, text: &str) -> String {
        let mut cleaner = Cleaner::new(self.references);
        let kept = cleaner.plain("condition", text);
        if !cleaner.removed.is_empty() {
            let message = "a secret in \"condition\" was left out";
            self.warnings.of_block(Code::SecretRemoved, &self.workflow.blocks[at].id, message);
        }
        kept
    }

    fn enter(&mut self, at: usize, from: usize, first: &[usize], when: &When) {
        for (index, child) in first.iter().enumerate() {
            self.add(from, self.state(*child), when.clone(), priority::row(0) - i32::from(index > 0));
        }
        self.report_fan_out(at, first.len());
    }

    fn leave(&mut self, at: usize, from: usize, exits: &[usize]) {
        if exits.is_empty() {
            let next = self.after(at);
            self.add(from, next, When::Always, priority::DEFAULT);
        } else {
            self.fan_out(at, from, exits);
        }
    }

    fn states_of(&self, blocks: &[usize]) -> Vec<usize> {
        blocks.iter().map(|block| self.state(*block)).collect()
    }

    fn add_branches(&mut self, at: usize, role: Role, links: &[Link]) -> Result<(), Fault> {
        let block = &self.workflow.blocks[at];
        let edges: Vec<&Edge> = links.iter().map(|link| &self.workflow.edges[link.edge]).collect();
        let rows = Rows::of(block, role, &edges);
        if rows.rows.len() > MAX_ROWS {
            let message = format!("the block has {} branches, more than the {MAX_ROWS} allowed", rows.rows.len());
            return Err(Fault::new(&member("$.blocks", &block.id), message));
        }
        if let Some(reason) = &rows.unreadable {
            self.warnings.of_block(Code::UnreadableField, &block.id, format!("the list of branches is {reason}"));
        }
        if rows.from_handles {
            let message = "the block does not list its branches; they are taken from its edges";
            self.warnings.of_block(Code::RowsFromHandles, &block.id, message);
        }
        let mut of_row: Vec<Vec<&Link>> = vec![Vec::new(); rows.rows.len()];
        let (mut always, mut failure, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for link in links {
            match rows.way(block, role, self.handle(link), link.ordinal) {
                Way::Row(index) => of_row[index].push(link),
                Way::Always => always.push(link),
                Way::Failure => failure.push(link),
                Way::Unknown => unknown.push(link),
            }
        }
        self.add_failure(at, &failure);
        let from = self.state(at);
        let mut has_default = false;
        for (index, (row, links)) in rows.rows.iter().zip(&of_row).enumerate() {
            let targets = targets(links.iter().copied());
            let to = if targets.is_empty() { vec![self.after(at)] } else { self.states_of(&targets) };
            if row.is_else && !has_default {
                has_default = true;
                if targets.is_empty() {
                    self.add(from, to[0], When::Always, priority::DEFAULT);
                } else {
                    self.fan_out(at, from, &targets);
                }
                continue;
            }
            let when = match role {
                Role::Router => self.route_condition(at, row),
                _ => self.row_condition(at, row),
            };
            for (further, to) in to.iter().enumerate() {
                self.add(from, *to, when.clone(), priority::row(index) - i32::from(further > 0));
            }
            self.report_fan_out(at, to.len());
        }
        for link in &unknown {
            self.report_handle(at, link, "it is taken when it is named");
            let handle = self.handle(link).unwrap_or_default();
            let name = handle.strip_prefix("condition-").or_else(|| handle.strip_prefix("router-")).unwrap_or(handle);
            let text = format!("{name:?} is the outcome of {}", self.quoted_name(at));
            let text = self.redacted(at, &text);
            let when = When::Natural(self.limited(block, text));
            self.add(from, self.state(link.target), when, priority::FURTHER);
        }
        let always = targets(always);
        for target in &always {
            let when = When::Natural(format!("{} is to be done next", self.quoted_name(*target)));
            self.add(from, self.state(*target), when, priority::FURTHER);
        }
        // No row that holds and no else ends the path; a router without a fitting route fails instead.
        if !has_default && (role == Role::Condition || rows.rows.is_empty()) {
            match always.first() {
                Some(target) => self.add(from, self.state(*target), When::Always, priority::DEFAULT),
                None => {
                    let next = self.after(at);
                    self.add(from, next, When::Always, priority::DEFAULT);
                }
            }
        }
        Ok(())
    }

    fn row_condition(&mut self, at: usize, row: &super::branch::Row) -> When {
        let block = &self.workflow.blocks[at];
        let source = row.value.trim();
        if source.is_empty() {
            let title = if row.title.trim().is_empty() { row.id.as_str() } else { row.title.trim() };
            let message = format!("branch {title:?} has no expression");
            self.warnings.of_block(Code::ConditionWithoutExpression, &block.id, message);
            let text = format!("branch {:?} of {} is chosen", row.id, self.quoted_name(at));
            let text = self.redacted(at, &text);
            return When::Natural(self.limited(block, text));
        }
        if let Some(expression) = expression::translate(source, self.references) {
            if self.redacted(at, &expression) == expression {
                return When::Expression(expression);
            }
        } else {
            let message = format!("the condition is kept as text: {}", brief(source));
            self.warnings.of_block(Code::ConditionAsText, &block.id, message);
        }
        let text = self.redacted(at, &expression::as_text(source, self.references));
        let text = if text.is_empty() { row.id.clone() } else { text };
        When::Natural(self.limited(block, text))
    }

    fn route_condition(&mut self, at: usize, row: &super::branch::Row) -> When {
        let block = &self.workflow.blocks[at];
        let description = self.references.text(row.value.trim());
        let text = match (row.title.trim(), description.trim()) {
            ("", "") => format!("route {:?} of {} fits", row.id, self.quoted_name(at)),
            (title, "") => title.to_owned(),
            ("", description) => description.to_owned(),
            (title, description) if title == description => title.to_owned(),
            (title, description) => format!("{title}: {description}"),
        };
        let text = self.redacted(at, &text);
        When::Natural(self.limited(block, text))
    }

    fn add_target_router(&mut self, at: usize, links: &[Link]) {
        let (failure, choices): (Vec<&Link>, Vec<&Link>) =
            links.iter().partition(|link| self.handle(link) == Some("error"));
        self.add_failure(at, &failure);
        let from = self.state(at);
        let targets = targets(choices);
        for target in &targets {
            let when = When::Natural(format!("{} is the right next step", self.quoted_name(*target)));
            self.add(from, self.state(*target), when, priority::row(0));
        }
        if targets.is_empty() {
            let next = self.after(at);
            self.add(from, next, When::Always, priority::DEFAULT);
        }
    }

    /// The state that sessions enter: the one entry, or one that leads to all of them.
    fn add_start(&mut self) {
        let entries = &self.nesting.entries;
        if let [entry] = entries.as_slice() {
            let entry = match nesting_target(self.nesting, *entry) {
                Some(target) if self.folded[*entry] => target,
                _ => *entry,
            };
            let entry = &entry;
            let lone = self.states.len() == 1;
            let state = self.state(*entry);
            if !self.states[state].is_final() || (lone && self.folded.contains(&true)) {
                self.states[state].is_initial = true;
                return;
            }
        }
        let start = self.states.len();
        let name = self.names.unique("Start");
        let mut state = State::new(name, StateType::Decision);
        state.condition = Some("where the conversation starts".to_owned());
        state.is_initial = true;
        self.states.push(state);
        if entries.is_empty() {
            let end = self.end();
            self.add(start, end, When::Always, priority::DEFAULT);
        }
        for (index, entry) in entries.iter().enumerate() {
            let name = self.quoted_name(*entry);
            let when = match self.nesting.roles[*entry] {
                _ if index == 0 => When::Always,
                Role::Trigger => When::Natural(format!("the conversation starts by {name}")),
                _ => When::Natural(format!("{name} is to be done next")),
            };
            let priority = if index == 0 { priority::DEFAULT } else { priority::FURTHER };
            self.add(start, self.state(*entry), when, priority);
        }
    }

    /// A session must not go round decisions for ever: the transition that closes such a circle waits to be named.
    fn break_cycles(&mut self) {
        let mut leaving = vec![Vec::new(); self.states.len()];
        for (index, passage) in self.transitions.iter().enumerate() {
            let decides = |state: usize| self.states[state].state_type == StateType::Decision;
            let is_automatic = !passage.is_exact && !matches!(passage.when, When::Natural(_));
            if decides(passage.from) && decides(passage.to) && is_automatic {
                leaving[passage.from].push(index);
            }
        }
        let mut closing = Vec::new();
        let mut color = vec![0_u8; self.states.len()];
        for start in 0..self.states.len() {
            if color[start] != 0 {
                continue;
            }
            color[start] = 1;
            let mut stack = vec![(start, 0_usize)];
            while let Some((state, next)) = stack.last_mut() {
                let Some(index) = leaving[*state].get(*next).copied() else {
                    color[*state] = 2;
                    stack.pop();
                    continue;
                };
                *next += 1;
                let to = self.transitions[index].to;
                match color[to] {
                    0 => {
                        color[to] = 1;
                        stack.push((to, 0));
                    }
                    1 => closing.push(index),
                    _ => {}
                }
            }
        }
        for index in closing {
            let passage = &mut self.transitions[index];
            let text = match &passage.when {
                When::Always => "it is to go round again".to_owned(),
                When::Expression(expression) => format!("it is to go round again: {expression}"),
                When::Natural(text) => text.clone(),
            };
            passage.when = When::Natural(text.chars().take(MAX_CONDITION).collect());
            let from = &self.states[passage.from];
            let about = from.metadata.as_ref().map(Packed::root);
            let block = about.and_then(|about| about.get("block_id").or_else(|| about.get("container")));
            let block = block.and_then(Node::text).unwrap_or_default().into_owned();
            let to = &self.states[passage.to].name;
            let message = format!("nothing in the circle waits; the way back to {to:?} is taken when it is named");
            self.warnings.of_block(Code::DecisionCycle, &block, message);
        }
    }

    fn finish(mut self) -> Result<Conversion, Fault> {
        if self.references.is_over_budget() {
            let message = format!("all values together put more than {} bytes in", super::MAX_SUBSTITUTED_BYTES);
            return Err(Fault::new("parameters", message));
        }
        for name in self.references.unused_parameters() {
            let message = format!("nothing in the workflow refers to {name:?}");
            self.warnings.of_workflow(Code::UnusedParameter, message);
        }
        let states = self.workflow.blocks.iter().zip(&self.state_of);
        let mapping = states
            .filter_map(|(block, state)| Some((block.id.clone().into_owned(), self.states[(*state)?].name.clone())))
            .collect();
        let mut journey = Journey {
            title: cut(&self.references.text(self.workflow.name.as_deref().unwrap_or("Workflow")), MAX_TITLE),
            description: self.workflow.description.as_ref().map(|text| cut(text, MAX_DESCRIPTION)),
            ..Journey::default()
        };
        for marker in
            self.markers.iter().zip(&self.folded).filter(|(_, folded)| **folded).filter_map(|(m, _)| m.as_ref())
        {
            if let Part::Entry(about) = &marker.part {
                let same = |ours: Option<&str>, theirs: Option<&str>| ours.map(str::trim) == theirs.map(str::trim);
                let mut exact = Journey::clone(about);
                if !same(Some(&exact.title), Some(&journey.title)) {
                    exact.title = journey.title;
                }
                if !same(exact.description.as_deref(), journey.description.as_deref()) {
                    exact.description = journey.description;
                }
                journey = exact;
            }
        }
        let mut places = vec![usize::MAX; self.states.len()];
        for (state, place) in &self.places {
            places[*state] = *place;
        }
        let mut order: Vec<usize> = (0..self.states.len()).collect();
        order.sort_by_key(|state| (places[*state], !self.states[*state].is_initial));
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, state)| rank[*state] = at);
        self.transitions.sort_by_key(|passage| rank[passage.from]);
        let mut is_new = Vec::with_capacity(self.transitions.len());
        for of_one in self.transitions.chunk_by(|a, b| a.from == b.from) {
            let mut seen = HashSet::new();
            is_new.extend(of_one.iter().map(|passage| seen.insert((passage.to, &passage.when))));
        }
        journey.transitions.reserve_exact(self.transitions.len());
        for (passage, _) in self.transitions.into_iter().zip(is_new).filter(|(_, is_new)| *is_new) {
            let (from, to) = (&self.states[passage.from].name, &self.states[passage.to].name);
            let mut transition = Transition::new(from, to);
            transition.priority = passage.priority;
            match passage.when {
                When::Always => {}
                When::Natural(text) => transition.condition = Some(text),
                When::Expression(text) => {
                    transition.condition = Some(text);
                    transition.condition_kind = ConditionKind::Expression;
                }
            }
            journey.transitions.push(transition);
        }
        let count = journey.transitions.len();
        if count > MAX_TRANSITIONS {
            let message =
                format!("the journey would have {count} transitions, more than the {MAX_TRANSITIONS} allowed");
            return Err(Fault::new("$.blocks", message));
        }
        journey.states = self.states;
        if !order.is_sorted() {
            let mut states: Vec<Option<State>> = journey.states.into_iter().map(Some).collect();
            journey.states = order.into_iter().filter_map(|state| states.get_mut(state)?.take()).collect();
        }
        Ok(Conversion {
            journey,
            mapping,
            warnings: self.warnings.into_sorted(),
            workflow_id: self.workflow.id.clone(),
            parameters: self.references.parameters().clone(),
        })
    }
}

/// The targets of links, each once, in the order of the blocks.
fn targets<'l>(links: impl IntoIterator<Item = &'l Link>) -> Vec<usize> {
    let mut targets: Vec<usize> = links.into_iter().map(|link| link.target).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn nesting_target(nesting: &Nesting, block: usize) -> Option<usize> {
    nesting.ways[block].first().map(|link| link.target)
}

fn cut(text: &str, most: usize) -> String {
    text.trim().chars().take(most).collect()
}

fn brief(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().nth(80).is_none() && line.len() == text.len() {
        return line.to_owned();
    }
    line.chars().take(80).chain(['…']).collect()
}

/// Names of states, each given once.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    next: HashMap<String, usize>,
}

impl Names {
    fn unique(&mut self, wanted: &str) -> String {
        let base = cut(wanted, MAX_NAME);
        let base = if base.is_empty() { "Block".to_owned() } else { base };
        if self.taken.insert(base.clone()) {
            return base;
        }
        let next = self.next.entry(base.clone()).or_insert(2);
        loop {
            let suffix = format!(" ({next})");
            let name = format!("{}{suffix}", cut(&base, MAX_NAME - suffix.len()));
            *next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}
