COMMENT ON FUNCTION parlant.current_workspace_id() IS
    'The workspace that the transaction acts in; NULL before one was entered.';
COMMENT ON FUNCTION parlant.current_user_id() IS
    'The user that the transaction acts for; NULL where it acts for a customer, or for nobody.';
COMMENT ON FUNCTION parlant.current_customer_id() IS
    'The customer that the transaction acts for; NULL where it acts for a user, or for nobody.';
COMMENT ON FUNCTION parlant.current_permission() IS
    'What the user may do in the workspace: read, write or admin; NULL for a customer and outside a workspace.';
