//! Looking at a deployment.
