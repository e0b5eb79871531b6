//! What a profile module must not say: notation that would be mistranslated or lose octets.

use std::collections::BTreeSet;

/// Notation that a profile module must not use, and what to write instead.
const BANNED: [(&str, &str); 7] = [
    ("COMPONENTS OF", "write the components out"),
    ("INSTANCE OF", "write EXTERNAL's members out"),
    ("EXTERNAL", "use our ExternalValue"),
    ("EMBEDDED PDV", "nothing in X.400 has it"),
    ("CLASS", "write the open type as ANY"),
    ("WITH COMPONENTS", "state the type itself"),
    ("AUTOMATIC TAGS", "X.400 tags by hand"),
];

/// Refuses banned notation and names that are assigned twice (the compiler drops one silently).
pub fn check(text: &str) -> Result<(), String> {
    let mut assigned = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let notation = line.split("--").next().unwrap_or_default();
        let words: Vec<&str> = notation.split_whitespace().collect();
        for (banned, instead) in BANNED {
            let banned_words: Vec<&str> = banned.split(' ').collect();
            if words
                .windows(banned_words.len())
                .any(|window| window == banned_words)
            {
                return Err(format!("line {}: {banned} is banned: {instead}", index + 1));
            }
        }
        let name = words.first().copied().unwrap_or_default();
        let assignment = words.get(1).is_some_and(|&word| word == "::=")
            || (words.contains(&"::=") && name.starts_with(char::is_lowercase));
        if assignment && !line.starts_with(char::is_whitespace) && !assigned.insert(name) {
            return Err(format!("line {}: {name} is assigned twice", index + 1));
        }
    }
    Ok(())
}
