//! What steps keep of their facts, as it is stored: types of its own, so that a new fact neither makes
//! a kept document unreadable nor changes what is stored. What is stored of a fact is said here, and
//! only here; the rules for a new field are those of [`crate::model::document`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::observe::database::{Database, Mirroring};
use super::observe::log_shipping::{Job, Primary, Schedule, Secondary};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};

/// A fact that is stored as a type of its own.
pub(in crate::step) trait Storable: Clone {
    /// That type.
    type Stored: From<Self> + Into<Self> + Serialize + DeserializeOwned;
}

/// For `#[serde(with = …)]`: a list of facts.
pub(in crate::step) mod each {
    use super::{Deserialize as _, Deserializer, Serializer, Storable};

    pub(in crate::step) fn serialize<F: Storable, S: Serializer>(
        facts: &[F],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(facts.iter().cloned().map(F::Stored::from))
    }

    pub(in crate::step) fn deserialize<'de, F: Storable, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<F>, D::Error> {
        let stored = Vec::<F::Stored>::deserialize(deserializer)?;
        Ok(stored.into_iter().map(Into::into).collect())
    }
}

/// For `#[serde(with = …)]`: a fact that may be missing.
pub(in crate::step) mod maybe {
    use super::{Deserialize as _, Deserializer, Serialize as _, Serializer, Storable};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(in crate::step) fn serialize<F: Storable, S: Serializer>(
        fact: &Option<F>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        fact.clone().map(F::Stored::from).serialize(serializer)
    }

    pub(in crate::step) fn deserialize<'de, F: Storable, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<F>, D::Error> {
        let stored = Option::<F::Stored>::deserialize(deserializer)?;
        Ok(stored.map(Into::into))
    }
}

/// Declares what is stored of a fact. A field of the fact that is not stored stands behind `without`,
/// with the value that it has when it is read back.
macro_rules! stored {
    ($fact:ident as $stored:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty,)+
        $(without $left_out:ident: $value:expr,)*
    }) => {
        #[derive(Serialize, Deserialize)]
        pub(in crate::step) struct $stored {
            $($(#[$attribute])* $field: $type,)+
        }

        impl Storable for $fact {
            type Stored = $stored;
        }

        impl From<$fact> for $stored {
            fn from(fact: $fact) -> Self {
                Self { $($field: fact.$field,)+ }
            }
        }

        impl From<$stored> for $fact {
            fn from(stored: $stored) -> Self {
                Self { $($field: stored.$field,)+ $($left_out: $value,)* }
            }
        }
    };
}

stored!(Secondary as StoredSecondary {
    secondary_id: String,
    primary_server: String,
    primary_database: String,
    source: String,
    destination: String,
    copy_job: String,
    restore_job: String,
    monitor: Option<String>,
    database: Option<String>,
    restore_delay: Option<i64>,
    standby_mode: Option<bool>,
    #[serde(default)]
    restore_all: Option<bool>,
    #[serde(default)]
    disconnect_users: Option<bool>,
    #[serde(default)]
    block_size: Option<i64>,
    #[serde(default)]
    buffer_count: Option<i64>,
    #[serde(default)]
    max_transfer_size: Option<i64>,
    #[serde(default)]
    monitor_security: Option<i64>,
    #[serde(default)]
    threshold_alert: Option<i64>,
    file_retention: Option<i64>,
    restore_threshold: Option<i64>,
    alert_enabled: Option<bool>,
    history_retention: Option<i64>,
    last_copied_file: Option<String>,
    last_restored_file: Option<String>,
});

stored!(Primary as StoredPrimary {
    primary_id: String,
    directory: String,
    share: Option<String>,
    retention: Option<i64>,
    backup_job: String,
    compression: Option<i64>,
    monitor: Option<String>,
    secondary_server: Option<String>,
    secondary_database: Option<String>,
    #[serde(default)]
    monitor_security: Option<i64>,
    backup_threshold: Option<i64>,
    #[serde(default)]
    threshold_alert: Option<i64>,
    #[serde(default)]
    alert_enabled: Option<bool>,
    history_retention: Option<i64>,
});

stored!(Job as StoredJob {
    id: String,
    name: String,
    enabled: bool,
    owner: Option<String>,
    category: String,
    command: Option<String>,
    #[serde(default)]
    proxy: Option<i64>,
    started_and_not_stopped: bool,
});

stored!(Schedule as StoredSchedule {
    job: String,
    name: String,
    enabled: bool,
    freq_type: Option<i64>,
    freq_interval: Option<i64>,
    freq_subday_type: Option<i64>,
    freq_subday_interval: Option<i64>,
    freq_relative_interval: Option<i64>,
    freq_recurrence_factor: Option<i64>,
    active_start_date: Option<i64>,
    active_end_date: Option<i64>,
    active_start_time: Option<i64>,
    active_end_time: Option<i64>,
});

stored!(Database as StoredDatabase {
    state: DatabaseState,
    standby: bool,
    read_only: bool,
    user_access: i64,
    recovery_model: i64,
    collation: Option<String>,
    trustworthy: bool,
    broker: bool,
    owner: Option<String>,
    log_reuse_wait: Option<String>,
    #[serde(with = "maybe")]
    mirroring: Option<Mirroring>,
});

stored!(Mirroring as StoredMirroring {
    state: Option<MirroringState>,
    role: Option<MirroringRole>,
    partner: Option<String>,
});
