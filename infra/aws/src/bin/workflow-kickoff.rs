//! The Lambda function `workflow-kickoff`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::workflow_kickoff::main()
}
