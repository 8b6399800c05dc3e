//! The number that fences an old run off (`design.md` 3, rule 17): kept on every instance that a plan
//! sends a batch to, raised before the first of them, and looked at in each batch itself. A plan shows
//! both texts once, in its head.

use serde::Serialize;

use super::command::{Command, Hole, HoleType, Kind};
use crate::model::{Instance, quote};
use crate::site::Site;

/// Error number of a batch whose run is not the last one any more.
pub const TAKEN_OVER: u32 = 51_170;

/// What goes before every batch of a plan, and what its number is raised with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fence {
    /// What goes before every batch, in it; `{number}` is the number that the run took.
    pub guard: String,
    /// What takes the number, one for each instance.
    pub commands: Vec<Command>,
    /// The instances of these commands.
    #[serde(skip)]
    pub instances: Vec<Instance>,
}

impl Fence {
    /// That of a plan with these commands.
    pub fn of<'a>(site: &Site, commands: impl Iterator<Item = &'a Command>) -> Self {
        let pool = quote::literal(&site.pool.fqdn.as_str().to_lowercase());
        let mut sent: Vec<(crate::model::Role, &str)> = Vec::new();
        for command in commands {
            if let Kind::Tsql { instance, server } = &command.kind {
                sent.push((*instance, server));
            }
        }
        let (mut instances, mut commands) = (Vec::new(), Vec::new());
        for (instance, server) in &site.sql.instances {
            let server = server.to_string();
            if sent.contains(&(instance.role, &server)) {
                instances.push(*instance);
                commands.push(take(*instance, &server, &pool));
            }
        }
        for (index, command) in commands.iter_mut().enumerate() {
            command.n = index + 1;
        }
        Self {
            guard: format!(
                // `access::sql::error` knows how it begins and ends.
                "IF EXISTS (SELECT 1 FROM msdb.dbo.pchadr_fence WHERE pool = {pool} AND number > {{number}}) THROW {TAKEN_OVER}, N'another run has taken over', 1;"
            ),
            commands,
            instances,
        }
    }

    /// The guard of a number, as it is sent: a batch follows it.
    pub fn guard(&self, number: u64) -> String {
        self.guard.replace("{number}", &number.to_string()) + " "
    }

    /// The command for an instance.
    pub fn command(&self, instance: Instance) -> Option<&Command> {
        let mut all = self.instances.iter().zip(&self.commands);
        let found = all.find(|(it, _)| **it == instance);
        found.map(|(_, command)| command)
    }
}

fn take(instance: Instance, server: &str, pool: &str) -> Command {
    let text = format!(
        "IF OBJECT_ID(N'msdb.dbo.pchadr_fence', N'U') IS NULL CREATE TABLE msdb.dbo.pchadr_fence (pool nvarchar(255) NOT NULL, number bigint NOT NULL, run nvarchar(128) NOT NULL, PRIMARY KEY (pool, number)); INSERT INTO msdb.dbo.pchadr_fence (pool, number, run) SELECT {pool}, {{number}}, {{run}} WHERE NOT EXISTS (SELECT 1 FROM msdb.dbo.pchadr_fence WHERE pool = {pool} AND number >= {{number}});"
    );
    let holes = vec![
        Hole::new(
            "number",
            HoleType::Integer,
            "the highest number of this pool on any instance that answers, or in the record, plus one",
            1,
        ),
        Hole::new(
            "run",
            HoleType::Text,
            "the run's id, and that of this execution of it",
            "20261124T064300Z-failover-3f9a1c 5e1f0c2d",
        ),
    ];
    Command::tsql(instance.role, server, text, holes)
        .when("the instance answers; before the first effect of a run, a resume or an abort there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::sql::first_line;
    use crate::model::Role;

    #[test]
    fn what_is_shown_of_a_batch_is_its_effect_and_not_the_guard_before_it() {
        let site = crate::step::sample::site();
        let command = Command::tsql(Role::Backup, "sql3", "KILL 57;", Vec::new());
        let fence = Fence::of(&site, std::iter::once(&command));
        let batch = fence.guard(7) + "KILL 57;";
        assert!(batch.len() > 100);
        assert_eq!(first_line(&batch), "KILL 57;");
        assert_eq!(first_line("KILL 57;"), "KILL 57;");
    }
}
