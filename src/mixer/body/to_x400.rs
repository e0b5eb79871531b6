//! Bodies on their way to X.400: a tree of MIME parts becomes body parts, one for each leaf.
//!
//! RFC 2157 sections 2, 2.1 and 5.3. What has an equivalence takes it, all else is encapsulated as
//! the neighbour wants it; nothing is dropped.

use super::{encapsulate, equivalence, file, message, text};
use crate::asn1::ipms::{BodyPart, GeneralTextParameters, IPMSExtension, MessageParameters};
use crate::asn1::mts::BuiltInEncodedInformationTypes as BuiltIn;
use crate::asn1::{compose, encode_octets};
use crate::mixer::context::{Attachments, Context, Edition};
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::outcome::{Ledger, PartMapping, Unconverted};
use crate::mixer::to_x400;
use crate::octets::Octets;
use crate::rfc822::mail::Content;
use crate::rfc822::{MediaType, Part};

/// Messages and multiparts nested deeper than this stay whole, as files.
const DEEPEST: usize = 10;

/// A body under conversion: what all its parts, at every depth, share.
#[derive(Debug)]
pub struct Converter<'a, 'c> {
    /// What a conversion may know.
    pub context: &'a Context<'c>,
    /// What it says of itself.
    pub ledger: &'a mut Ledger,
    /// The types of all parts so far.
    pub types: EncodedTypes,
    /// Whether message/delivery-status becomes text (RFC 2156 section 5.1.8.3).
    pub status_as_text: bool,
    /// Whether the part under conversion is all there is in its message.
    sole: bool,
    /// How deep we are in multiparts of this message.
    depth: usize,
    /// How deep this message is in others.
    nested: usize,
    /// How many identifiers were made.
    made: u32,
}

/// The body of a message and what its heading has to say of it.
#[derive(Debug, Default)]
pub struct Converted {
    /// The body parts, encoded.
    pub body: Vec<Octets>,
    /// Extensions of the heading.
    pub extensions: Vec<IPMSExtension>,
    /// Fields of the body that have no other home than the heading.
    pub fields: Vec<String>,
}

/// A body part that was made.
#[derive(Debug)]
struct Made {
    octets: Octets,
    shape: Shape,
}

/// What a body part can bear besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Text: no fields.
    Text,
    /// A message.
    Message,
    /// All fields of its MIME part.
    Whole,
}

impl Made {
    fn new(octets: Octets, shape: Shape) -> Self {
        Self { octets, shape }
    }
}

impl<'a, 'c> Converter<'a, 'c> {
    /// A converter of one message.
    pub fn new(context: &'a Context<'c>, ledger: &'a mut Ledger) -> Self {
        Self {
            context,
            ledger,
            types: EncodedTypes::default(),
            status_as_text: false,
            sole: false,
            depth: 0,
            nested: 0,
            made: 0,
        }
    }

    /// The body of a message, outermost or forwarded.
    ///
    /// # Errors
    /// If a forwarded message needs answers of name services.
    pub fn body(&mut self, part: &Part) -> Result<Converted, Unconverted> {
        let mut converted = Converted::default();
        if let Content::Multipart {
            parts,
            preamble,
            epilogue,
        } = &part.content
            && !encapsulate::is_opaque(&part.media_type)
        {
            self.note_asides(preamble, epilogue);
            let mut all_messages = !parts.is_empty();
            self.depth += 1;
            for child in parts {
                let made = self.part(child)?;
                all_messages &= made.shape == Shape::Message;
                converted.body.push(made.octets);
            }
            self.depth -= 1;
            if part.media_type.subtype != "mixed" || parts.len() < 2 || all_messages {
                converted
                    .extensions
                    .push(message::extension(&part.media_type.subtype, true));
            }
            converted.fields = message::carried_fields(part);
            return Ok(converted);
        }
        self.sole = true;
        let made = self.part(part)?;
        self.sole = false;
        if made.shape == Shape::Text {
            converted.fields = carried_fields_of_text(part);
        }
        converted.body.push(made.octets);
        Ok(converted)
    }

    /// A body part of a MIME part.
    fn part(&mut self, part: &Part) -> Result<Made, Unconverted> {
        if encapsulate::is_opaque(&part.media_type) {
            return Ok(self.opaque(part));
        }
        if self.depth + self.nested >= DEEPEST && !matches!(part.content, Content::Leaf) {
            self.ledger.note(
                part.media_type.to_string(),
                "a file: nested too deeply",
                "RFC 2157 3",
                false,
            );
            return Ok(self.file(part));
        }
        match &part.content {
            Content::Multipart {
                parts,
                preamble,
                epilogue,
            } => {
                self.note_asides(preamble, epilogue);
                self.depth += 1;
                let heading = message::heading(part, self.identifier());
                let mut body = Vec::with_capacity(parts.len());
                for child in parts {
                    body.push(self.part(child)?.octets);
                }
                self.depth -= 1;
                let ipm = compose::forwarded_ipm(&heading, body);
                Ok(self.message(part, "multipart-message", "RFC 2157 6.6", ipm))
            }
            Content::Message(inner) => {
                self.sole = false;
                for field in message::carried_fields(part) {
                    self.ledger.note(
                        field,
                        "left behind: a message bears no fields of its part",
                        "RFC 2157 2.4",
                        true,
                    );
                }
                // A message has a heading, which bears the fields of its text.
                let depth = std::mem::take(&mut self.depth);
                self.nested += 1;
                let (heading, body) = to_x400::heading_and_body(self, inner)?;
                self.nested -= 1;
                self.depth = depth;
                let ipm = compose::forwarded_ipm(&heading, body);
                Ok(self.message(part, "message", "RFC 2157 6.5", ipm))
            }
            Content::Leaf => Ok(self.leaf(part)),
        }
    }

    fn message(&mut self, part: &Part, to: &str, section: &'static str, ipm: Octets) -> Made {
        let octets = u64::try_from(part.body.len()).unwrap_or(u64::MAX);
        self.record(part, to, section, octets);
        let parameters = MessageParameters::default();
        Made::new(compose::message_body_part(&parameters, ipm), Shape::Message)
    }

    fn leaf(&mut self, part: &Part) -> Made {
        if let Some(unwrapped) = encapsulate::unwrap_x400(part) {
            self.record(
                part,
                "the body part within",
                "RFC 2157 3.2",
                part.decoded().len(),
            );
            self.add_types_of(&unwrapped);
            return Made::new(encode_octets(&unwrapped), Shape::Whole);
        }
        // A multipart without any delimiter is text that claims to be more.
        let broken = part.media_type.kind == "multipart";
        let unnamed = part.file_name().is_none()
            && part
                .disposition()
                .is_none_or(|disposition| disposition.kind != "attachment");
        let status = self.status_as_text && part.media_type.is("message", "delivery-status");
        if ((part.media_type.is("text", "plain") && unnamed) || broken || status)
            && let Some(made) = self.text(part)
        {
            if broken {
                self.ledger.note(
                    part.media_type.to_string(),
                    "text: it holds no delimiter",
                    "RFC 2157 2.1",
                    true,
                );
            }
            return made;
        }
        self.file(part)
    }

    /// A body part of text; `None` if the text cannot be told from its octets.
    fn text(&mut self, part: &Part) -> Option<Made> {
        let general =
            self.context.peer.general_text && self.context.peer.edition == Edition::Of1988;
        let text = text::to_x400(part, general)?;
        if !text.lossless {
            let charset = part
                .media_type
                .parameter("charset")
                .unwrap_or("us-ascii")
                .to_owned();
            self.ledger.note(
                format!("octets that are not {charset}"),
                "approximated",
                "RFC 2157 6.2",
                true,
            );
        }
        let (composed, name, section, octets) = match text.form {
            text::Form::Ia5(octets) => {
                self.types.add_built_in(BuiltIn::IA5_TEXT);
                let length = octets.len();
                (
                    compose::ia5_text_body_part(octets),
                    "ia5-text",
                    "RFC 2157 6.1",
                    length,
                )
            }
            text::Form::General(octets, sets) => {
                for set in &sets {
                    self.types.add_character_set(*set);
                }
                let length = octets.len();
                let sets: GeneralTextParameters = sets.into_iter().map(i64::from).collect();
                let composed = compose::general_text_body_part(&sets, octets);
                (composed, "general-text", "RFC 2157 6.2", length)
            }
        };
        self.record(part, name, section, octets);
        if self.depth > 0 {
            for field in carried_fields_of_text(part) {
                self.ledger.note(
                    field,
                    "left behind: text bears no fields",
                    "RFC 2157 2.4",
                    true,
                );
            }
        }
        Some(Made::new(composed, Shape::Text))
    }

    /// A part without equivalence, as the neighbour wants it.
    fn file(&mut self, part: &Part) -> Made {
        match self.attachments() {
            Attachments::Ftbp => {
                let data = part.decoded();
                let octets = data.len();
                let (composed, section) = file::to_x400(part, data, self.sole);
                self.types.add(equivalence::EIT_FILE_TRANSFER);
                self.record(part, "file-transfer", section, octets);
                Made::new(composed, Shape::Whole)
            }
            Attachments::Bp15 => self.body_part_15(part),
            Attachments::Bp14 => self.body_part_14(part),
            Attachments::Ia5 => self.opaque(part),
        }
    }

    /// The form that the neighbour wants; extended body parts are not of 1984 (RFC 1496).
    fn attachments(&self) -> Attachments {
        match (self.context.peer.edition, self.context.peer.attachments) {
            (Edition::Of1984, Attachments::Ftbp | Attachments::Bp15) => Attachments::Ia5,
            (_, wanted) => wanted,
        }
    }

    fn body_part_14(&mut self, part: &Part) -> Made {
        let data = part.decoded();
        self.record(part, "bilaterally-defined", "RFC 2157 3.1.4", data.len());
        self.ledger.note(
            part.media_type.to_string(),
            "its type and name are left behind",
            "RFC 2157 3.1.4",
            true,
        );
        self.types.add_built_in(BuiltIn::UNKNOWN);
        Made::new(encapsulate::body_part_14(data), Shape::Whole)
    }

    fn body_part_15(&mut self, part: &Part) -> Made {
        self.types.add(equivalence::MIME_BP_DATA);
        // A multipart travels as it stands, all else decoded.
        let data = match part.media_type.kind.as_str() {
            "multipart" => Octets::from(part.body.clone()),
            _ => part.decoded(),
        };
        self.record(part, "mime-body-part", "RFC 2157 3.1.2", data.len());
        Made::new(encapsulate::body_part_15(part, data), Shape::Whole)
    }

    /// A part that must not be taken apart: as IA5 text if it can be, else in body part 15, or for
    /// 1984 in body part 14.
    fn opaque(&mut self, part: &Part) -> Made {
        match encapsulate::harpoon(part) {
            Some(composed) => {
                self.types.add_built_in(BuiltIn::IA5_TEXT);
                let octets = u64::try_from(part.body.len()).unwrap_or(u64::MAX);
                self.record(
                    part,
                    "ia5-text (MIME encapsulated)",
                    "RFC 2157 3.1.3",
                    octets,
                );
                Made::new(composed, Shape::Whole)
            }
            None if self.context.peer.edition == Edition::Of1984 => self.body_part_14(part),
            None => self.body_part_15(part),
        }
    }

    /// Declares the types of a body part that came back whole.
    fn add_types_of(&mut self, part: &BodyPart) {
        match part {
            BodyPart::Ia5Text(_) => self.types.add_built_in(BuiltIn::IA5_TEXT),
            BodyPart::G3Facsimile(_) => self.types.add_built_in(BuiltIn::G3_FACSIMILE),
            BodyPart::G4Class1(_) => self.types.add_built_in(BuiltIn::G4_CLASS_1),
            BodyPart::Teletex(_) => self.types.add_built_in(BuiltIn::TELETEX),
            BodyPart::Videotex(_) => self.types.add_built_in(BuiltIn::VIDEOTEX),
            BodyPart::MixedMode(_) => self.types.add_built_in(BuiltIn::MIXED_MODE),
            BodyPart::Extended(extended) => match extended.kind() {
                Some(data) => {
                    let arcs: Option<Vec<u64>> = data
                        .arcs()
                        .into_iter()
                        .map(|arc| u64::try_from(arc).ok())
                        .collect();
                    self.types.add(&arcs.unwrap_or_default());
                }
                None => self.types.add_built_in(BuiltIn::UNKNOWN),
            },
            _ => self.types.add_built_in(BuiltIn::UNKNOWN),
        }
    }

    /// An identifier for a message that stands for a multipart.
    fn identifier(&mut self) -> String {
        self.made += 1;
        let id: String = self
            .context
            .id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(50)
            .collect();
        format!("{id}.{}", self.made)
    }

    fn record(&mut self, part: &Part, to: &str, section: &'static str, octets: u64) {
        self.ledger.parts.push(PartMapping {
            from: part.media_type.to_string(),
            to: to.to_owned(),
            section,
            octets,
            sha256: None,
        });
    }

    fn note_asides(&mut self, preamble: &[u8], epilogue: &[u8]) {
        for (text, name) in [(preamble, "preamble"), (epilogue, "epilogue")] {
            if !text.trim_ascii().is_empty() {
                self.ledger.note(
                    format!("the {name} of a multipart"),
                    "left behind",
                    "RFC 2157 6.6",
                    true,
                );
            }
        }
    }
}

/// The fields of a text part that a body part of text cannot bear: its type only if it has
/// parameters besides its character set, no disposition that says nothing.
fn carried_fields_of_text(part: &Part) -> Vec<String> {
    let mut carried: Vec<String> = Vec::new();
    for field in &part.header.fields {
        let of_content = field
            .name
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("content-"));
        if !of_content || field.is("Content-Transfer-Encoding") || field.is("Content-Language") {
            continue;
        }
        if field.is("Content-Disposition") && field.text().trim().eq_ignore_ascii_case("inline") {
            continue;
        }
        if field.is("Content-Type") {
            let mut media_type = MediaType::new(&part.media_type.kind, &part.media_type.subtype);
            let others = part
                .media_type
                .parameters
                .iter()
                .filter(|(name, _)| name != "charset");
            media_type.parameters = others.cloned().collect();
            if !media_type.parameters.is_empty() {
                carried.push(message::media_field("Content-Type", &media_type));
            }
            continue;
        }
        carried.push(crate::mixer::to_x400::fields::rfc822_field(field).0);
    }
    carried
}
