//! What holds the wire format: schemas, golden samples, upcasting, refusals, properties, the official SDK, the documents.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod given;
#[cfg(test)]
mod hostile_bodies;
#[cfg(test)]
mod official_sdk;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema_check;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod upcasting;
#[cfg(test)]
mod writing;
