//! The Lambda function `callbacks`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::callbacks::main()
}
