//! What a run keeps of its plan and of its site, as it is stored: types of their own. A resume reads
//! what is declared here, and compares nothing else.

mod spelled;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Document;
use crate::model::document::Unread;
use crate::plan::Plan;
use crate::site::Site;

pub use spelled::{Spelled, Target};

/// What `plan.json` holds: of the plan as it is printed, the fields that are declared here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPlan {
    runbook: String,
    digest: String,
    stages: Vec<Vec<String>>,
    /// The steps in order.
    pub steps: Vec<StoredStep>,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredStep {
    /// Its id.
    pub id: String,
    vendor: Option<String>,
    title: String,
    stage: usize,
    effect: String,
    /// True for the step behind which there is no way back.
    pub point_of_no_return: bool,
    /// What it was said to add to the time without chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<StoredDowntime>,
    checks: Vec<String>,
    commands: Vec<StoredCommand>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    undo: Vec<StoredCommand>,
}

/// What a step was said to add to the time without chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredDowntime {
    /// How often the whole chat database is written or read.
    pub moves: u32,
    /// Seconds that may be waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// In words.
    pub what: String,
}

/// A command of a step; the fields that follow `kind` depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredCommand {
    n: usize,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cmdlet: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    when: Option<String>,
    each: Option<String>,
    holes: Vec<StoredHole>,
    text: String,
    sample: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredHole {
    name: String,
    #[serde(rename = "type")]
    hole_type: String,
    rule: String,
}

impl StoredPlan {
    /// What is stored of a plan.
    ///
    /// # Errors
    /// When the printed plan lacks a field: a defect, which a test would have found.
    pub fn of(plan: &Plan) -> serde_json::Result<Self> {
        serde_json::from_value(serde_json::to_value(plan)?)
    }

    /// Reads the document.
    ///
    /// # Errors
    /// When it is none, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self, Unread> {
        Document::Plan.read(bytes)
    }

    /// The document.
    ///
    /// # Errors
    /// None that is known: texts and numbers only.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        Document::Plan.write(self)
    }
}

impl StoredStep {
    /// Names of the fields that differ.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let [mine, theirs] = [self, other].map(|it| serde_json::to_value(it).unwrap_or_default());
        let keys = [&mine, &theirs].into_iter().filter_map(Value::as_object);
        let mut keys: Vec<&String> = keys.flat_map(|fields| fields.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| mine.get(key) != theirs.get(key));
        keys.into_iter().cloned().collect()
    }
}

/// Which site a run is of, beside its pool: its databases, and its instances by role. This is what is
/// read of `site.json`, and what names the folder of a site's own documents.
///
/// `site.json` holds more: the whole site as it was loaded, for people. Nothing else of it is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SiteIdentity {
    database: Databases,
    sql: Servers,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Databases {
    chat: String,
    compliance: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Servers {
    instances: BTreeMap<String, String>,
}

impl SiteIdentity {
    /// That of a site.
    pub fn of(site: &Site) -> Self {
        let instances = site.sql.instances.iter().map(|(instance, server)| {
            let prefix = if instance.compliance {
                "compliance."
            } else {
                ""
            };
            (
                format!("{prefix}{}", instance.role.key()),
                server.to_string(),
            )
        });
        Self {
            database: Databases {
                chat: site.database.chat.to_string(),
                compliance: site.database.compliance.as_ref().map(ToString::to_string),
            },
            sql: Servers {
                instances: instances.collect(),
            },
        }
    }

    /// Whether both are of one site: hosts and databases are the same in any case of their letters.
    pub fn is(&self, other: &Self) -> bool {
        self.text().to_lowercase() == other.text().to_lowercase()
    }

    /// Reads it from the document.
    ///
    /// # Errors
    /// When it is none, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self, Unread> {
        Document::Site.read(bytes)
    }

    /// The document: the site as it was loaded.
    ///
    /// # Errors
    /// When a folder name of the site is no Unicode.
    pub fn to_json(site: &Site) -> serde_json::Result<Vec<u8>> {
        Document::Site.write(site)
    }

    /// A text that no other site has; it may not change, or what was kept is not found any more.
    pub fn text(&self) -> String {
        // Texts only: nothing here can fail to serialize.
        let database = serde_json::to_string(&self.database).unwrap_or_default();
        let instances = serde_json::to_string(&self.sql.instances).unwrap_or_default();
        database + &instances
    }
}
