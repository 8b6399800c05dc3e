//! Which cmdlets there are, and how PowerShell binds their parameters (`skype-powershell.md` 1, 7.4).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::ServiceTimes;

/// One cmdlet.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) which: Cmdlet,
    parameters: &'static [Parameter],
    /// Names of which at most one may be given: parameter sets.
    apart: &'static [&'static str],
}

const fn spec(name: &'static str, which: Cmdlet, parameters: &'static [Parameter]) -> Spec {
    Spec {
        name,
        which,
        parameters,
        apart: &[],
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cmdlet {
    Service,
    State,
    SetState,
    SetActiveServers,
    ManagementConnection,
    ReplicationStatus,
    WindowsService,
    StartService,
    StopService,
    Pool,
    InstallMirror,
    FailOverDatabase,
}

struct Parameter {
    name: &'static str,
    kind: Kind,
    mandatory: bool,
}

enum Kind {
    Switch,
    Text,
    Texts,
    /// A member of an enumeration.
    Word(&'static [&'static str]),
    /// `PSListModifier`: a table, a value, a list or null.
    Modifier,
    Table,
}

const fn given(name: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        kind,
        mandatory: false,
    }
}

const fn needed(name: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        kind,
        mandatory: true,
    }
}

/// `skype-powershell.md` 1.4
const DATABASE_TYPES: Kind = Kind::Word(&[
    "ActiveMonitoring",
    "Application",
    "Archiving",
    "CentralMgmt",
    "Edge",
    "Lyss",
    "Monitoring",
    "PersistentChat",
    "PersistentChatCompliance",
    "Provision",
    "Registrar",
    "SigninTelemetry",
    "User",
]);

const SPECS: &[Spec] = &[
    spec(
        "Get-CsService",
        Cmdlet::Service,
        &[
            given("Identity", Kind::Text),
            given("PoolFqdn", Kind::Text),
            given("PersistentChatServer", Kind::Switch),
            given("PersistentChatDatabase", Kind::Switch),
            given("PersistentChatComplianceDatabase", Kind::Switch),
            given("FileStore", Kind::Switch),
        ],
    )
    .apart(&[
        "Identity",
        "PersistentChatServer",
        "PersistentChatDatabase",
        "PersistentChatComplianceDatabase",
        "FileStore",
    ]),
    spec(
        "Get-CsPersistentChatState",
        Cmdlet::State,
        &[
            given("Identity", Kind::Text),
            given("Filter", Kind::Text),
            given("LocalStore", Kind::Switch),
        ],
    )
    .apart(&["Identity", "Filter"]),
    spec(
        "Set-CsPersistentChatState",
        Cmdlet::SetState,
        &[
            given("Identity", Kind::Text),
            given("PoolState", Kind::Word(&["Normal", "FailedOver"])),
            given("Force", Kind::Switch),
        ],
    ),
    spec(
        "Set-CsPersistentChatActiveServer",
        Cmdlet::SetActiveServers,
        &[
            given("Identity", Kind::Text),
            given("ActiveServers", Kind::Modifier),
            given("Swap", Kind::Switch),
            given("Force", Kind::Switch),
        ],
    )
    .apart(&["ActiveServers", "Swap"]),
    spec(
        "Get-CsManagementConnection",
        Cmdlet::ManagementConnection,
        &[],
    ),
    spec(
        "Get-CsManagementStoreReplicationStatus",
        Cmdlet::ReplicationStatus,
        &[
            given("ReplicaFqdn", Kind::Text),
            given("CentralManagementStoreStatus", Kind::Switch),
        ],
    )
    .apart(&["ReplicaFqdn", "CentralManagementStoreStatus"]),
    spec(
        "Get-CsWindowsService",
        Cmdlet::WindowsService,
        &[
            given("Name", Kind::Text),
            given("ComputerName", Kind::Text),
            given("ExcludeActivityLevel", Kind::Switch),
            given("Report", Kind::Text),
        ],
    ),
    spec(
        "Start-CsWindowsService",
        Cmdlet::StartService,
        &[
            given("Name", Kind::Text),
            given("ComputerName", Kind::Text),
            given("NoWait", Kind::Switch),
            given("Force", Kind::Switch),
        ],
    ),
    spec(
        "Stop-CsWindowsService",
        Cmdlet::StopService,
        &[
            given("Name", Kind::Text),
            given("ComputerName", Kind::Text),
            given("NoWait", Kind::Switch),
            given("Force", Kind::Switch),
            given("Graceful", Kind::Switch),
        ],
    ),
    spec("Get-CsPool", Cmdlet::Pool, &[given("Identity", Kind::Text)]),
    spec(
        "Install-CsMirrorDatabase",
        Cmdlet::InstallMirror,
        &[
            needed("DatabaseType", DATABASE_TYPES),
            needed("FileShare", Kind::Text),
            needed("SqlServerFqdn", Kind::Text),
            given("SqlInstanceName", Kind::Text),
            given("DatabasePathMap", Kind::Table),
            given("DropExistingDatabasesOnMirror", Kind::Switch),
            given("ExcludeDatabaseList", Kind::Texts),
            given("Report", Kind::Text),
        ],
    ),
    spec(
        "Invoke-CsDatabaseFailover",
        Cmdlet::FailOverDatabase,
        &[
            needed("PoolFqdn", Kind::Text),
            needed("DatabaseType", DATABASE_TYPES),
            needed("NewPrincipal", Kind::Word(&["Mirror", "Primary"])),
            given("ExcludeDatabaseList", Kind::Texts),
            given("Force", Kind::Switch),
            given("LocalStore", Kind::Switch),
            given("Report", Kind::Text),
        ],
    ),
];

/// Parameters that every cmdlet has and that change nothing here.
const COMMON: [&str; 8] = [
    "ErrorAction",
    "ErrorVariable",
    "WarningAction",
    "WarningVariable",
    "OutVariable",
    "OutBuffer",
    "Verbose",
    "Debug",
];

impl Spec {
    const fn apart(self, apart: &'static [&'static str]) -> Self {
        Self { apart, ..self }
    }

    /// It changes the pool or a database.
    pub(super) fn changes(&self) -> bool {
        !self.name.starts_with("Get-")
    }

    /// Asks Yes or No for each database (`skype-powershell.md` 1.10).
    fn asks(&self) -> bool {
        matches!(self.which, Cmdlet::InstallMirror | Cmdlet::FailOverDatabase)
    }

    pub(super) fn find(name: &str) -> Option<&'static Spec> {
        SPECS
            .iter()
            .find(|spec| spec.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn time(&self, times: ServiceTimes) -> Duration {
        match self.which {
            Cmdlet::SetState => times.set_state,
            Cmdlet::SetActiveServers => times.set_active_servers,
            Cmdlet::StartService | Cmdlet::StopService => times.service,
            Cmdlet::InstallMirror => times.install_mirror,
            Cmdlet::FailOverDatabase => times.fail_over_database,
            _ => times.read,
        }
    }

    /// A refusal by this cmdlet.
    pub(super) fn refuse(
        &self,
        id: &str,
        category: &'static str,
        message: impl Into<String>,
    ) -> Refusal {
        let class = self.name.replace('-', "");
        Refusal {
            message: message.into(),
            id: format!("{id},Microsoft.Rtc.Management.{class}Cmdlet"),
            category,
        }
    }
}

/// Parameters that were given, by their proper names.
pub(super) struct Bound {
    values: BTreeMap<&'static str, Value>,
    /// `-WhatIf`: nothing is to happen.
    pub(super) what_if: bool,
}

impl Bound {
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.get(name) == Some(&Value::Bool(true))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// Binds splatted parameters. Names are taken whole and in any case; PowerShell's abbreviations are
/// refused, since a script should not lean on them.
pub(super) fn bind(spec: &Spec, sent: &Map<String, Value>) -> Result<Bound, Refusal> {
    let mut bound = Bound {
        values: BTreeMap::new(),
        what_if: false,
    };
    let mut confirm = None;
    for (name, value) in sent {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if let Some(parameter) = spec.parameters.iter().find(|p| is(p.name)) {
            let value = convert(spec, parameter, value)?;
            // A switch that is false was not given.
            if value != Value::Bool(false) {
                bound.values.insert(parameter.name, value);
            }
        } else if spec.changes() && (is("Confirm") || is("cf")) {
            confirm = Some(switch(spec, "Confirm", value)?);
        } else if spec.changes() && (is("WhatIf") || is("wi")) {
            bound.what_if = switch(spec, "WhatIf", value)?;
        } else if !COMMON.iter().any(|common| is(common)) {
            let message =
                format!("A parameter cannot be found that matches parameter name '{name}'.");
            return Err(spec.refuse("NamedParameterNotFound", "InvalidArgument", message));
        }
    }
    let together = spec.apart.iter().filter(|n| bound.values.contains_key(*n));
    if together.count() > 1 {
        let message = "Parameter set cannot be resolved using the specified named parameters.";
        return Err(spec.refuse("AmbiguousParameterSet", "InvalidArgument", message));
    }
    let missing: Vec<_> = spec
        .parameters
        .iter()
        .filter(|p| p.mandatory && !bound.values.contains_key(p.name))
        .map(|p| p.name)
        .collect();
    if !missing.is_empty() {
        return Err(missing_mandatory(spec, &missing));
    }
    // `-WhatIf` answers before anybody is asked.
    if !bound.what_if && confirm.unwrap_or(spec.asks()) {
        return Err(spec.refuse(
            "InvalidOperation",
            "InvalidOperation",
            "Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.",
        ));
    }
    Ok(bound)
}

pub(super) fn missing_mandatory(spec: &Spec, names: &[&str]) -> Refusal {
    let message = format!(
        "Cannot process command because of one or more missing mandatory parameters: {}.",
        names.join(" ")
    );
    spec.refuse("MissingMandatoryParameter", "InvalidArgument", message)
}

fn convert(spec: &Spec, parameter: &Parameter, value: &Value) -> Result<Value, Refusal> {
    let name = parameter.name;
    match &parameter.kind {
        Kind::Switch => switch(spec, name, value).map(Value::Bool),
        Kind::Modifier => Ok(value.clone()),
        Kind::Table if value.is_object() => Ok(value.clone()),
        Kind::Table => Err(cannot_convert(spec, name, value, "Hashtable")),
        Kind::Texts => {
            let texts =
                texts(value).ok_or_else(|| cannot_convert(spec, name, value, "String[]"))?;
            Ok(json!(texts))
        }
        Kind::Text => text(spec, name, value).map(Value::String),
        Kind::Word(words) => {
            let text = text(spec, name, value)?;
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(&text));
            let word = word.ok_or_else(|| {
                let message = format!(
                    "Cannot bind parameter '{name}'. Cannot convert value \"{text}\" to the \
                     enumeration: specify one of the following values and try again: {}.",
                    words.join(", ")
                );
                spec.refuse("CannotConvertArgumentNoMessage", "InvalidArgument", message)
            })?;
            Ok(json!(word))
        }
    }
}

fn switch(spec: &Spec, name: &str, value: &Value) -> Result<bool, Refusal> {
    value
        .as_bool()
        .ok_or_else(|| cannot_convert(spec, name, value, "SwitchParameter"))
}

fn text(spec: &Spec, name: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::String(_) => Err(spec.refuse(
            "ParameterArgumentValidationErrorNullNotAllowed",
            "InvalidData",
            format!("Cannot bind argument to parameter '{name}' because it is null or empty."),
        )),
        _ => Err(cannot_convert(spec, name, value, "String")),
    }
}

/// A text or a list of texts, as a list.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

pub(super) fn cannot_convert(spec: &Spec, name: &str, value: &Value, to: &str) -> Refusal {
    let message = format!(
        "Cannot bind parameter '{name}'. Cannot convert the \"{value}\" value to type {to}."
    );
    spec.refuse("CannotConvertArgumentNoMessage", "InvalidArgument", message)
}

/// An error record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    message: String,
    id: String,
    category: &'static str,
}

impl Refusal {
    pub(super) fn to_json(&self) -> Value {
        json!({ "message": self.message, "id": self.id, "category": self.category })
    }

    pub(super) fn unknown_command(name: &str) -> Self {
        Self {
            message: format!(
                "The term '{name}' is not recognized as the name of a cmdlet, function, script \
                 file, or operable program. Check the spelling of the name, or if a path was \
                 included, verify that the path is correct and try again."
            ),
            id: "CommandNotFoundException".to_owned(),
            category: "ObjectNotFound",
        }
    }

    pub(super) fn no_module(name: &str) -> Self {
        Self {
            message: format!(
                "The specified module '{name}' was not loaded because no valid module file was \
                 found in any module directory."
            ),
            id: "Modules_ModuleNotFound,Microsoft.PowerShell.Commands.ImportModuleCommand"
                .to_owned(),
            category: "ResourceUnavailable",
        }
    }

    /// The second error of an injected fault.
    pub(super) fn consequence(spec: &Spec) -> Self {
        spec.refuse(
            "EndProcessing",
            "NotSpecified",
            "Task execution failed. Consult the log file.",
        )
    }

    /// The error of an injected fault.
    pub(super) fn transient(spec: &Spec) -> Self {
        spec.refuse(
            "ProcessRecord",
            "NotSpecified",
            "The operation could not be completed because of a transient failure.",
        )
    }
}
