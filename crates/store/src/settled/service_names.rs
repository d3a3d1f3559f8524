//! Tables of services, each once; in row groups and in rollups.

use roentgen_model::ServiceId;

use super::encoding::{Input, Malformed, write_count, write_number};
use super::texts::{TextTable, Texts};

/// The distinct names, types and accounts; then for each service the number of its name, and of
/// its type and account that number plus 1, or 0.
pub(super) fn write_services(services: &[ServiceId], out: &mut Vec<u8>) {
    let mut texts = TextTable::default();
    let mut parts = Vec::with_capacity(services.len() * 3);
    for service in services {
        write_number(&mut parts, u64::from(texts.number(&service.name)));
        for part in [service.kind.as_deref(), service.account_id.as_deref()] {
            let number = part.map(|text| texts.number(text));
            write_number(&mut parts, number.map_or(0, |number| u64::from(number) + 1));
        }
    }
    texts.write(out);
    write_count(out, services.len());
    out.extend_from_slice(&parts);
}

/// Reads what [`write_services`] wrote.
pub(super) fn read_services(input: &mut Input<'_>) -> Result<Vec<ServiceId>, Malformed> {
    let texts = Texts::read(input)?;
    let count = input.count()?;
    let mut services = Vec::with_capacity(count);
    for _ in 0..count {
        let name = texts.get(input.small()?).ok_or(Malformed)?;
        let mut part = || match input.small::<usize>()?.checked_sub(1) {
            None => Ok(None),
            Some(number) => texts.get(number).map(Some).ok_or(Malformed),
        };
        let (kind, account_id) = (part()?, part()?);
        services.push(ServiceId::new(name, kind, account_id));
    }
    Ok(services)
}
