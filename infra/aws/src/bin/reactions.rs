//! The Lambda function `reactions`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::reactions::main()
}
