//! The Lambda function `authorizer`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::authorizer::main()
}
