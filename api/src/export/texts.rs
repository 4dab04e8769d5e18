//! What is printed on the pages, in English and Spanish.

use records::patients::export::Everything;
use serde::Deserialize;
use utoipa::ToSchema;

use super::fhir::instant;

/// Language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lang {
    /// English.
    En,
    /// Spanish.
    Es,
}

impl Lang {
    /// The language tag.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
        }
    }

    /// The text with this name; a name that is missing shows itself, and a test finds it.
    pub(super) fn say(self, name: &'static str) -> &'static str {
        let found = TEXTS.iter().find(|(known, ..)| *known == name);
        found.map_or(name, |(_, en, es)| if self == Self::En { en } else { es })
    }

    /// A word of the record, as the pages write it; unknown ones as they are.
    pub(super) fn word(self, word: &str) -> String {
        let found = WORDS.iter().find(|(known, ..)| *known == word);
        found.map_or_else(|| word.replace('_', " "), |(_, en, es)| if self == Self::En { *en } else { *es }.to_owned())
    }
}

#[rustfmt::skip]
const TEXTS: &[(&str, &str, &str)] = &[
    ("summary", "Summary of the record", "Resumen del expediente"),
    ("note", "Visit note", "Nota de la visita"),
    ("person", "Person", "Persona"),
    ("name", "Legal name", "Nombre legal"),
    ("preferred", "Preferred name", "Nombre preferido"),
    ("former", "Former names", "Nombres anteriores"),
    ("born", "Date of birth", "Fecha de nacimiento"),
    ("mrn", "Record number", "Número de expediente"),
    ("other_mrn", "Other record numbers", "Otros números de expediente"),
    ("sex", "Sex assigned at birth", "Sexo asignado al nacer"),
    ("gender", "Gender identity", "Identidad de género"),
    ("pronouns", "Pronouns", "Pronombres"),
    ("languages", "Languages", "Idiomas"),
    ("interpreter", "Interpreter", "Intérprete"),
    ("interpreter_needed", "needed", "necesario"),
    ("phones", "Phones", "Teléfonos"),
    ("emails", "Email", "Correo electrónico"),
    ("addresses", "Addresses", "Direcciones"),
    ("contacts", "Emergency contacts", "Contactos de emergencia"),
    ("allergies", "Allergies", "Alergias"),
    ("not_asked", "Nobody has asked about allergies.", "Nadie ha preguntado por alergias."),
    ("none_known", "No known allergies.", "Sin alergias conocidas."),
    ("conditions", "Conditions", "Problemas de salud"),
    ("medications", "Medications", "Medicamentos"),
    ("immunizations", "Immunizations", "Vacunas"),
    ("procedures", "Surgical history", "Antecedentes quirúrgicos"),
    ("insurance", "Insurance", "Seguro"),
    ("visits", "Visits", "Visitas"),
    ("recordings", "Recordings", "Grabaciones"),
    ("nothing", "Nothing on record.", "Nada registrado."),
    ("visit", "Visit", "Visita"),
    ("reason", "Reason", "Motivo"),
    ("provider", "Provider", "Profesional"),
    ("signed", "Signed", "Firmada"),
    ("addendum", "Addendum", "Adenda"),
    ("member", "Member number", "Número de miembro"),
    ("group", "group", "grupo"),
    ("since", "since", "desde"),
    ("until", "until", "hasta"),
    ("lot", "lot", "lote"),
    ("by", "by", "por"),
    ("exported", "Exported", "Exportado"),
];

#[rustfmt::skip]
const WORDS: &[(&str, &str, &str)] = &[
    ("active", "active", "activo"), ("inactive", "inactive", "inactivo"), ("resolved", "resolved", "resuelto"),
    ("recurrence", "recurrence", "recurrencia"), ("relapse", "relapse", "recaída"), ("remission", "in remission", "en remisión"),
    ("completed", "completed", "terminado"), ("stopped", "stopped", "suspendido"), ("on_hold", "on hold", "en pausa"),
    ("intended", "not started", "sin empezar"), ("mild", "mild", "leve"), ("moderate", "moderate", "moderada"),
    ("severe", "severe", "grave"), ("low", "low risk", "riesgo bajo"), ("high", "high risk", "riesgo alto"),
    ("unable_to_assess", "risk not known", "riesgo desconocido"), ("unconfirmed", "unconfirmed", "sin confirmar"),
    ("confirmed", "confirmed", "confirmada"), ("refuted", "refuted", "descartada"), ("primary", "primary", "primario"),
    ("secondary", "secondary", "secundario"), ("tertiary", "tertiary", "terciario"), ("female", "female", "femenino"),
    ("male", "male", "masculino"), ("intersex", "intersex", "intersexual"), ("unknown", "unknown", "desconocido"),
    ("video", "video", "video"), ("phone", "phone", "teléfono"), ("in_person", "in person", "en persona"),
    ("booked", "booked", "reservada"), ("cancelled", "cancelled", "cancelada"), ("ended", "ended", "terminada"),
    ("checking_in", "checking in", "en registro"), ("waiting", "waiting", "en espera"), ("in_visit", "in visit", "en visita"),
    ("ready", "ready", "lista"), ("failed", "failed", "fallida"), ("interrupted", "interrupted", "interrumpida"),
    ("capturing", "recording", "grabando"), ("captured", "recorded", "grabada"), ("composing", "being prepared", "en preparación"),
];

/// What is in the archive.
pub(super) fn readme(everything: &Everything, lang: Lang) -> String {
    let (clinic, phone, at) = (&everything.clinic.name, &everything.clinic.phone, instant(everything.at));
    let (visits, notes, recordings) = (everything.visits.len(), everything.notes.len(), everything.recordings.len());
    let documents = everything.documents.len();
    match lang {
        Lang::En => format!(
            "Your record at {clinic}, exported {at} (all times are UTC).\n\n\
             summary.pdf       what to read first\n\
             notes/            your signed visit notes ({notes}), one PDF each\n\
             fhir/bundle.json  the same and more for other systems: HL7 FHIR R4 (4.0.1), one Bundle. It also says who saw or changed your record (AuditEvent)\n\
             more.json         what FHIR has no place for: earlier versions of your details, chats of your visits, where you said you were, the list of your recordings ({recordings})\n\
             documents/        documents that were put on your record ({documents}); the bundle says what each is and how it was called\n\
             recordings/       recordings of your visits (WebM), if the clinic shares them and you asked for them\n\
             SHA256SUMS        checksums of all other files (sha256sum --check SHA256SUMS)\n\n\
             There are {visits} appointments in it. Notes that are not signed yet are not in it.\n\
             Letters that the PDFs' font does not have are shown as \"?\"; the JSON files have them all.\n\
             This file is not encrypted. Keep it where only you can open it.\n\n\
             Is something wrong or missing? Ask {clinic}, {phone}.\n"
        ),
        Lang::Es => format!(
            "Su expediente en {clinic}, exportado {at} (todas las horas son UTC).\n\n\
             summary.pdf       lo primero que conviene leer\n\
             notes/            sus notas de visita firmadas ({notes}), un PDF cada una\n\
             fhir/bundle.json  lo mismo y más para otros sistemas: HL7 FHIR R4 (4.0.1), un Bundle. También dice quién vio o cambió su expediente (AuditEvent)\n\
             more.json         lo que no tiene lugar en FHIR: versiones anteriores de sus datos, chats de sus visitas, dónde dijo que estaba, la lista de sus grabaciones ({recordings})\n\
             documents/        documentos que se añadieron a su expediente ({documents}); el Bundle dice qué es cada uno y cómo se llamaba\n\
             recordings/       grabaciones de sus visitas (WebM), si la clínica las comparte y usted las pidió\n\
             SHA256SUMS        sumas de verificación de los demás archivos (sha256sum --check SHA256SUMS)\n\n\
             Contiene {visits} citas. Las notas todavía sin firmar no están incluidas.\n\
             Las letras que la fuente de los PDF no tiene se muestran como \"?\"; los archivos JSON las tienen todas.\n\
             Este archivo no está cifrado. Guárdelo donde solo usted pueda abrirlo.\n\n\
             ¿Hay algo mal o falta algo? Pregunte a {clinic}, {phone}.\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_a_page_asks_for_is_there_in_both_languages() {
        let source = include_str!("summary.rs");
        let asked: Vec<&str> = source.split("say(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(asked.len() > 20);
        for name in asked {
            let found = TEXTS.iter().find(|(known, ..)| *known == name);
            assert!(found.is_some_and(|(_, en, es)| !en.is_empty() && !es.is_empty()), "{name}");
        }
        assert_eq!((Lang::En.word("on_hold"), Lang::Es.word("on_hold")), ("on hold".into(), "en pausa".into()));
    }
}
