//! The tables of equivalent name spaces: domains and O/R addresses (MCGAMs), preferred gateways.
//!
//! RFC 2156 section 4.2 and appendix F.

use std::collections::HashMap;

/// The four tables a gateway maps by (RFC 2156 appendix F.1).
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Table 1: domain to O/R address.
    pub table1: Table,
    /// Table 2: O/R address to domain.
    pub table2: Table,
    /// Table 3: domain to the O/R address of the preferred gateway.
    pub gate1: Table,
    /// Table 4: O/R address to the domain of the preferred gateway.
    pub gate2: Table,
}

/// One table, looked up by the longest match.
#[derive(Debug, Clone, Default)]
pub struct Table {
    #[allow(dead_code)]
    entries: HashMap<String, String>,
}
