//! Summaries from columns.

use std::sync::Arc;

use roentgen_model::{
    AnnotationSummary, HttpSummary, Micros, ServiceId, Timestamp, TraceSummary, UserSummary,
};

use super::SettledError;
use super::columns::{
    AnnotationValues, Annotations, ColumnName, Counts, Durations, EntryPoints, FLAG_ERROR,
    FLAG_FAULT, FLAG_PARTIAL, FLAG_THROTTLE, Flags, Ids, Integers, OptionalIntegers, ResponseTimes,
    ServiceLists, ServiceTable, TextColumn, TextLists, Users, outcome_of,
};
use super::encoding::Malformed;
use super::group::Group;

/// All columns of a row group.
pub(super) struct RowReader<'a> {
    group: Group<'a>,
    ids: Arc<Ids>,
    times: Arc<Integers>,
    starts: Arc<Integers>,
    durations: Arc<Durations>,
    response_times: Arc<ResponseTimes>,
    flags: Arc<Flags>,
    statuses: Arc<OptionalIntegers>,
    counts: Arc<Counts>,
    urls: Arc<TextColumn>,
    methods: Arc<TextColumn>,
    user_agents: Arc<TextColumn>,
    client_ips: Arc<TextColumn>,
    resource_arns: Arc<TextLists>,
    instance_ids: Arc<TextLists>,
    availability_zones: Arc<TextLists>,
    services: Arc<ServiceLists>,
    entry_points: Arc<EntryPoints>,
    users: Arc<Users>,
    annotations: Arc<Annotations>,
    table: Arc<ServiceTable>,
    values: Vec<Arc<AnnotationValues>>,
    /// For each annotation, in the order of rows, its place among those of its column.
    places: Vec<u32>,
    /// Where the annotations of each row begin in `places`.
    starts_of_places: Vec<u32>,
}

impl<'a> Group<'a> {
    /// Reads all columns.
    pub(super) fn rows(self) -> Result<RowReader<'a>, SettledError> {
        let annotations: Arc<Annotations> = self.column(ColumnName::Annotations)?;
        let chunks = annotations.columns.iter().map(|column| column.chunk).max();
        let values = (0..chunks.map_or(0, |last| last.saturating_add(1)))
            .map(|chunk| self.annotation_values(&annotations, chunk))
            .collect::<Result<_, _>>()?;
        let (places, starts_of_places) = places(&annotations, self.group.rows);
        Ok(RowReader {
            group: self,
            ids: self.column(ColumnName::Ids)?,
            times: self.column(ColumnName::Times)?,
            starts: self.column(ColumnName::Starts)?,
            durations: self.column(ColumnName::Durations)?,
            response_times: self.column(ColumnName::ResponseTimes)?,
            flags: self.column(ColumnName::Flags)?,
            statuses: self.column(ColumnName::Statuses)?,
            counts: self.column(ColumnName::Counts)?,
            urls: self.column(ColumnName::Urls)?,
            methods: self.column(ColumnName::Methods)?,
            user_agents: self.column(ColumnName::UserAgents)?,
            client_ips: self.column(ColumnName::ClientIps)?,
            resource_arns: self.column(ColumnName::ResourceArns)?,
            instance_ids: self.column(ColumnName::InstanceIds)?,
            availability_zones: self.column(ColumnName::AvailabilityZones)?,
            services: self.column(ColumnName::Services)?,
            entry_points: self.column(ColumnName::EntryPoints)?,
            users: self.column(ColumnName::Users)?,
            table: self.column(ColumnName::ServiceTable)?,
            annotations,
            values,
            places,
            starts_of_places,
        })
    }
}

/// The place of each annotation in its column, and where the annotations of each row begin.
fn places(annotations: &Annotations, rows: usize) -> (Vec<u32>, Vec<u32>) {
    let mut counts = vec![0_u32; annotations.columns.len()];
    let (mut places, mut starts) = (Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        starts.push(u32::try_from(places.len()).unwrap_or(u32::MAX));
        for [column, _] in annotations.get(row) {
            if let Some(count) = counts.get_mut(*column as usize) {
                places.push(*count);
                *count += 1;
            }
        }
    }
    (places, starts)
}

impl RowReader<'_> {
    /// The summary of a row.
    pub(super) fn summary(&self, row: usize) -> Result<TraceSummary, SettledError> {
        let wrong = |name| move |Malformed| self.group.malformed(name);
        let id = self.ids.0.get(row).copied().ok_or(Malformed).map_err(wrong(ColumnName::Ids))?;
        let time = |times: &Integers| times.0.get(row).copied().ok_or(Malformed);
        let start = time(&self.starts).map_err(wrong(ColumnName::Starts))?;
        let length = self.durations.0.get(row).copied().ok_or(Malformed);
        let length = length.map_err(wrong(ColumnName::Durations))?;
        let end = Timestamp::from_micros(start.wrapping_add(length));
        let start = Timestamp::from_micros(start);
        let flags = self.flags.0.get(row).copied().ok_or(Malformed);
        let flags = flags.map_err(wrong(ColumnName::Flags))?;
        let counts = self.counts.0.get(row).copied().ok_or(Malformed);
        let (segment_count, revision) = counts.map_err(wrong(ColumnName::Counts))?;
        let text = |column: &TextColumn| column.get(row).map(str::to_owned);
        let texts = |column: &TextLists| column.get(row).map(str::to_owned).collect();
        let response_time = self.response_times.0.get(row);
        Ok(TraceSummary {
            id,
            time: Timestamp::from_micros(time(&self.times).map_err(wrong(ColumnName::Times))?),
            start,
            end,
            duration: end - start,
            response_time: response_time.map(|less| Micros::new(less.wrapping_add(length))),
            outcome: outcome_of(flags),
            has_fault: flags & FLAG_FAULT != 0,
            has_error: flags & FLAG_ERROR != 0,
            has_throttle: flags & FLAG_THROTTLE != 0,
            is_partial: flags & FLAG_PARTIAL != 0,
            http: HttpSummary {
                url: text(&self.urls),
                status: self.statuses.get(row),
                method: text(&self.methods),
                user_agent: text(&self.user_agents),
                client_ip: text(&self.client_ips),
            },
            annotations: self.annotations(row).map_err(wrong(ColumnName::Annotations))?,
            users: self.users(row).map_err(wrong(ColumnName::Users))?,
            services: self.named(self.services.get(row)).map_err(wrong(ColumnName::Services))?,
            resource_arns: texts(&self.resource_arns),
            instance_ids: texts(&self.instance_ids),
            availability_zones: texts(&self.availability_zones),
            entry_point: self.entry_point(row).map_err(wrong(ColumnName::EntryPoints))?,
            segment_count,
            revision,
        })
    }

    fn named(&self, numbers: &[u32]) -> Result<Vec<ServiceId>, Malformed> {
        let service = |number: &u32| self.table.services.get(*number as usize).cloned();
        numbers.iter().map(|number| service(number).ok_or(Malformed)).collect()
    }

    fn sharers(&self, list: u32) -> Result<Vec<ServiceId>, Malformed> {
        if list as usize >= self.table.sharers.len() {
            return Err(Malformed);
        }
        self.named(self.table.sharers.get(list as usize))
    }

    fn entry_point(&self, row: usize) -> Result<Option<ServiceId>, Malformed> {
        match self.entry_points.0.get(row).ok_or(Malformed)?.checked_sub(1) {
            None => Ok(None),
            Some(number) => {
                self.table.services.get(number as usize).cloned().map(Some).ok_or(Malformed)
            }
        }
    }

    fn users(&self, row: usize) -> Result<Vec<UserSummary>, Malformed> {
        let user = |(name, sharers): &(u32, u32)| {
            let name = name.checked_sub(1).and_then(|name| self.users.names.get(name as usize));
            let name = name.ok_or(Malformed)?.to_owned();
            Ok(UserSummary { name, services: self.sharers(*sharers)? })
        };
        self.users.get(row).iter().map(user).collect()
    }

    fn annotations(&self, row: usize) -> Result<Vec<AnnotationSummary>, Malformed> {
        let first = self.starts_of_places.get(row).copied().ok_or(Malformed)? as usize;
        let places = self.places.get(first..).unwrap_or(&[]);
        let annotation = |([column, sharers], place): (&[u32; 2], &u32)| {
            let column = self.annotations.columns.get(*column as usize)?;
            let values = &self.values.get(usize::from(column.chunk))?.0.get(column.place)?;
            let code = values.codes.get(*place as usize)?.checked_sub(1)?;
            let value = values.values.get(code as usize)?;
            let services = self.sharers(*sharers).ok()?;
            Some(AnnotationSummary { key: column.key.clone(), value, services })
        };
        let annotations = self.annotations.get(row).iter().zip(places);
        annotations.map(|annotation_place| annotation(annotation_place).ok_or(Malformed)).collect()
    }
}
