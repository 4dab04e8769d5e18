//! The policies: read once, checked against their schema, asked by action.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet,
    Request, RestrictedExpression, Schema, SchemaFragment, ValidationMode, Validator,
};
use uuid::Uuid;

use crate::Actor;
use crate::action::Kind;
use crate::relation::Relation;

/// The kinds of things and people; actions are added from [`Kind`].
const SCHEMA: &str = include_str!("../../policies/bedside.cedarschema");

macro_rules! areas {
    ($($area:literal),* $(,)?) => {
        /// The policies of each area.
        const AREAS: &[(&str, &str)] = &[$(($area, include_str!(concat!("../../policies/", $area, ".cedar")))),*];
    };
}

areas![
    "attachment",
    "audit",
    "chart",
    "compliance",
    "keys",
    "note",
    "portal",
    "quality",
    "recording",
    "schedule",
    "staff",
    "visit",
    "waiting",
];

/// Who can ask, in the schema's words.
const PRINCIPALS: &str = "Staff, Visitor, PortalPatient, Guardian, Guest, Server";

/// Words that would make a policy close a door when a fact becomes true.
const CLOSING: &[&str] = &["forbid", "unless", "!", "==false", "== false"];

/// The policies that can speak about each action, ready to be asked.
pub(super) struct Policies {
    by_action: BTreeMap<&'static str, PolicySet>,
    /// Their ids live as long as the program.
    ids: HashSet<String>,
    types: Types,
}

/// Names that every question needs, parsed once.
struct Types {
    action: EntityTypeName,
    role: EntityTypeName,
    staff: EntityTypeName,
    visitor: EntityTypeName,
    portal_patient: EntityTypeName,
    guardian: EntityTypeName,
    guest: EntityTypeName,
    server: EntityTypeName,
    what: EntityUid,
}

/// The policies can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PolicyError {
    /// The schema is not one.
    #[error("the policies' schema can't be read: {0}")]
    Schema(String),
    /// A file is not Cedar.
    #[error("policies of the area {area} can't be read: {why}")]
    Syntax {
        /// Which file.
        area: &'static str,
        /// What the parser says.
        why: String,
    },
    /// A policy has no `@id`, or one that another has.
    #[error("a policy of the area {area} needs an @id of its own: {id}")]
    Id {
        /// Which file.
        area: &'static str,
        /// The id.
        id: String,
    },
    /// A policy would refuse when a fact becomes true.
    #[error("policies of the area {area} say {word:?}; they may only permit, by facts that hold")]
    Closing {
        /// Which file.
        area: &'static str,
        /// The word.
        word: &'static str,
    },
    /// The policies speak of what the schema doesn't know.
    #[error("the policies don't fit their schema: {0}")]
    Validation(String),
}

/// The policies of this program.
pub(super) fn policies() -> Result<&'static Policies, &'static PolicyError> {
    static LOADED: LazyLock<Result<Policies, PolicyError>> = LazyLock::new(|| Policies::load(AREAS));
    LOADED.as_ref()
}

/// The policy that permits this, if one does. Should the policies not be usable, nothing is permitted.
pub(super) fn permitted_by(actor: &Actor, action: Kind, relation: Relation) -> Option<&'static str> {
    policies().ok()?.permitted_by(actor, action, relation)
}

/// The schema with all actions in it.
fn schema() -> Result<Schema, PolicyError> {
    let mut text = SCHEMA.to_owned();
    for kind in Kind::ALL {
        text.push_str(&format!(
            "action \"{}\" appliesTo {{ principal: [{PRINCIPALS}], resource: [{}], context: Relation }};\n",
            kind.as_str(),
            kind.resource_type(),
        ));
    }
    let wrong = |why: &dyn std::fmt::Display| PolicyError::Schema(why.to_string());
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&text).map_err(|why| wrong(&why))?;
    Schema::from_schema_fragments([fragment]).map_err(|why| wrong(&why))
}

impl Policies {
    fn load(areas: &'static [(&'static str, &'static str)]) -> Result<Self, PolicyError> {
        let mut all = PolicySet::new();
        let mut ids = HashSet::new();
        for (area, text) in areas {
            let area = *area;
            let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            if let Some(word) = CLOSING.iter().find(|word| code.contains(*word)) {
                return Err(PolicyError::Closing { area, word });
            }
            let parsed =
                PolicySet::from_str(text).map_err(|why| PolicyError::Syntax { area, why: format!("{why:?}") })?;
            for policy in parsed.policies() {
                let id = policy.annotation("id").unwrap_or_default().to_owned();
                if id.is_empty() || !ids.insert(id.clone()) {
                    return Err(PolicyError::Id { area, id });
                }
                all.add(policy.new_id(PolicyId::new(&id)))
                    .map_err(|why| PolicyError::Syntax { area, why: why.to_string() })?;
            }
        }
        let validated = Validator::new(schema()?).validate(&all, ValidationMode::Strict);
        if !validated.validation_passed_without_warnings() {
            return Err(PolicyError::Validation(validated.to_string()));
        }
        let types = Types::new().map_err(|why| PolicyError::Schema(why.to_string()))?;
        let mut by_action = BTreeMap::new();
        for kind in Kind::ALL {
            let action = types.uid(&types.action, kind.as_str());
            let speaking = all.policies().filter(|policy| match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(one) => one == action,
                ActionConstraint::In(some) => some.contains(&action),
            });
            let set =
                PolicySet::from_policies(speaking.cloned()).map_err(|why| PolicyError::Validation(why.to_string()))?;
            by_action.insert(kind.as_str(), set);
        }
        Ok(Self { by_action, ids, types })
    }

    fn permitted_by(&'static self, actor: &Actor, action: Kind, relation: Relation) -> Option<&'static str> {
        let speaking = self.by_action.get(action.as_str())?;
        let (principal, entities) = self.types.principal(actor)?;
        let facts = relation.facts().map(|(name, holds)| (name.to_owned(), RestrictedExpression::new_bool(holds)));
        let context = Context::from_pairs(facts).ok()?;
        let action = self.types.uid(&self.types.action, action.as_str());
        let request = Request::new(principal, action, self.types.what.clone(), context, None).ok()?;
        let answer = Authorizer::new().is_authorized(&request, speaking, &entities);
        if answer.decision() != cedar_policy::Decision::Allow || answer.diagnostics().errors().next().is_some() {
            return None;
        }
        // Where several permit, the most ordinary one is the reason: emergency access only if nothing else allows it.
        let reasons = answer.diagnostics().reason().filter_map(|id| self.ids.get::<str>(id.as_ref()));
        reasons.min_by_key(|id| (id.starts_with("emergency"), id.as_str())).map(String::as_str)
    }
}

impl Types {
    fn new() -> Result<Self, cedar_policy::ParseErrors> {
        let name = EntityTypeName::from_str;
        Ok(Self {
            action: name("Action")?,
            role: name("Role")?,
            staff: name("Staff")?,
            visitor: name("Visitor")?,
            portal_patient: name("PortalPatient")?,
            guardian: name("Guardian")?,
            guest: name("Guest")?,
            server: name("Server")?,
            // Which row it is about has gone into the facts already.
            what: EntityUid::from_type_name_and_id(name("Clinic")?, EntityId::new("row")),
        })
    }

    fn uid(&self, of: &EntityTypeName, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
    }

    /// The one who asks, with what Cedar has to know of them.
    fn principal(&self, actor: &Actor) -> Option<(EntityUid, Entities)> {
        let alone = |of: &EntityTypeName, id: Uuid| Some((self.uid(of, &id.to_string()), Entities::empty()));
        match *actor {
            Actor::Staff { id, role, .. } => {
                let staff = self.uid(&self.staff, &id.0.to_string());
                let role = self.uid(&self.role, role.as_str());
                let entity = Entity::new_no_attrs(staff.clone(), HashSet::from([role]));
                Some((staff, Entities::from_entities([entity], None).ok()?))
            }
            Actor::Patient { id, .. } => alone(&self.visitor, id.0),
            Actor::PortalPatient { id, .. } => alone(&self.portal_patient, id.0),
            Actor::Guardian { id, .. } => alone(&self.guardian, id.0),
            Actor::Guest { id, .. } => alone(&self.guest, id.0),
            Actor::System { job, .. } => Some((self.uid(&self.server, job), Entities::empty())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &'static str) -> PolicyError {
        let areas: &'static [(&str, &str)] = Box::leak(Box::new([("test", text)]));
        Policies::load(areas).err().expect("these policies must be refused")
    }

    #[test]
    fn the_policies_of_this_program_fit_their_schema_strictly() {
        let policies = policies().expect("they load");
        assert!(policies.ids.len() > 20);
    }

    #[test]
    fn every_file_of_policies_is_part_of_the_program() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".cedar").map(str::to_owned))
            .collect();
        files.sort();
        assert_eq!(files, AREAS.iter().map(|(area, _)| *area).collect::<Vec<_>>());
    }

    #[test]
    fn the_schema_knows_the_same_facts_as_the_program() {
        let block = SCHEMA.split("type Relation = {").nth(1).unwrap().split("};").next().unwrap();
        let named: Vec<&str> =
            block.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
        assert_eq!(named, Relation::NAMES);
    }

    #[test]
    fn policies_that_name_what_does_not_exist_are_refused() {
        for text in [
            r#"@id("a") permit (principal in Role::"janitor", action == Action::"note.read", resource);"#,
            r#"@id("a") permit (principal, action == Action::"note.burn", resource);"#,
            r#"@id("a") permit (principal, action == Action::"note.read", resource) when { context.likes };"#,
            r#"@id("a") permit (principal, action == Action::"note.read", resource is Recording);"#,
        ] {
            assert!(matches!(refused(text), PolicyError::Validation(_) | PolicyError::Syntax { .. }), "{text}");
        }
    }

    #[test]
    fn policies_without_an_id_of_their_own_are_refused() {
        let bare = r#"permit (principal, action == Action::"note.read", resource);"#;
        assert!(matches!(refused(bare), PolicyError::Id { .. }));
        let twice = r#"@id("a") permit (principal, action == Action::"note.read", resource);
                       @id("a") permit (principal, action == Action::"note.write", resource);"#;
        assert!(matches!(refused(twice), PolicyError::Id { .. }));
    }

    #[test]
    fn policies_that_close_doors_are_refused() {
        for text in [
            r#"@id("a") forbid (principal, action == Action::"note.read", resource);"#,
            r#"@id("a") permit (principal, action == Action::"note.read", resource) unless { context.own };"#,
            r#"@id("a") permit (principal, action == Action::"note.read", resource) when { !context.own };"#,
        ] {
            assert!(matches!(refused(text), PolicyError::Closing { .. }), "{text}");
        }
    }
}
